import { definitionOf, KEEP, labelOfOption, type OptionSpec, type StepName, stepOptions } from "@equant/core/steps";
import { stepOf } from "../../recipe/recipe.js";
import { editStep } from "../../state/recipe-edit.js";
import { recipe } from "../../state/store.js";
import { Check, LinesField, NumberField, Select } from "./fields.js";

interface FieldProps {
  readonly name: string;
  readonly spec: OptionSpec;
  readonly value: unknown;
  /** Undefined: as it is by default. */
  readonly onChange: (value: unknown) => void;
}

/** Value of a select that stands for «not given». */
const UNSET = "";

function Field({ name, spec, value, onChange }: FieldProps) {
  const label = labelOfOption(name, spec);
  switch (spec.kind) {
    case "flag":
      return (
        <Check checked={(value ?? spec.default ?? false) === true} onChange={onChange}>
          {label} <span class="hint">{spec.help}</span>
        </Check>
      );
    case "choice": {
      const words = Object.entries(spec.values).map(([word, text]) => ({ value: word, text: `${word}: ${text}` }));
      // A word that somebody else wrote stays what it is.
      const own = typeof value === "string" && !Object.hasOwn(spec.values, value) ? [{ value, text: value }] : [];
      const unset = spec.default === undefined ? [{ value: UNSET, text: spec.otherwise ?? "not set" }] : [];
      return (
        <Select
          label={label}
          value={String(value ?? spec.default ?? UNSET)}
          options={[...unset, ...words, ...own]}
          onChange={(word) => onChange(word === UNSET ? undefined : word)}
        />
      );
    }
    case "number":
      return (
        <NumberField
          label={spec.share ? `${label}, %` : label}
          value={shown(spec.share, value ?? spec.default)}
          min={shown(spec.share, spec.min ?? spec.above)}
          max={shown(spec.share, spec.max ?? spec.below)}
          step={spec.whole ? 1 : "any"}
          placeholder={spec.otherwise}
          onChange={(number) => onChange(spec.share ? number / 100 : number)}
          onClear={() => onChange(undefined)}
        />
      );
    case "list":
      return (
        <LinesField
          label={label}
          hint={spec.help}
          values={Array.isArray(value) ? (value as string[]) : []}
          onChange={(lines) => onChange(lines.length > 0 ? lines : undefined)}
        />
      );
  }
}

function shown(share: boolean, value: unknown): number | undefined {
  if (typeof value !== "number") return undefined;
  return share ? Math.round(1e6 * value) / 1e4 : value;
}

/** All options of a step as its definition says them: the main ones, and the others behind «more». */
export function StepFields({ use }: { readonly use: StepName }) {
  const step = stepOf(recipe.value, use);
  if (!step) return null;
  const values = { ...stepOptions(step), keep: step.keep } as Readonly<Record<string, unknown>>;
  const { options, phase } = definitionOf(use);
  const own: [string, OptionSpec][] = Object.entries({
    ...options,
    ...(phase !== "quantize" && phase !== "prepare" && { keep: KEEP }),
  });
  const field = ([name, spec]: [string, OptionSpec]) => (
    <Field
      key={name}
      name={name}
      spec={spec}
      value={values[name]}
      onChange={(value) => editStep(use, { [name]: value } as never)}
    />
  );
  const [main, more] = [own.filter(([, { main }]) => main), own.filter(([, { main }]) => !main)];
  return (
    <>
      <div class="fields">{main.map(field)}</div>
      {more.length > 0 && (
        <details>
          <summary>More options of {definitionOf(use).label.replace(/:.*/, "").toLowerCase()}</summary>
          <div class="fields">{more.map(field)}</div>
        </details>
      )}
    </>
  );
}
