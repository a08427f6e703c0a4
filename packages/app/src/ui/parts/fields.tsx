import type { ComponentChildren } from "preact";

interface SelectProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly text: string }[];
  readonly onChange: (value: T) => void;
  readonly disabled?: boolean;
}

export function Select<T extends string>({ label, value, options, onChange, disabled }: SelectProps<T>) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface NumberProps {
  readonly label: string;
  readonly value: number | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly step?: number | "any";
  /** Shown where there is no value: what it then is. */
  readonly placeholder?: string | undefined;
  readonly onChange: (value: number) => void;
  /** Without it a value cannot be taken away. */
  readonly onClear?: () => void;
}

/** Takes the number when it is complete; one out of range is put back. */
export function NumberField({ label, value, min, max, step = 1, placeholder, onChange, onClear }: NumberProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        // Preact leaves an input as it is whose value becomes undefined.
        value={value ?? ""}
        min={min}
        max={max}
        step={step}
        placeholder={placeholder}
        onChange={(event) => {
          const { valueAsNumber } = event.currentTarget;
          const { valid } = event.currentTarget.validity;
          if (valid && Number.isFinite(valueAsNumber)) onChange(valueAsNumber);
          else if (valid && onClear) onClear();
          else event.currentTarget.value = String(value ?? "");
        }}
      />
    </label>
  );
}

interface LinesProps {
  readonly label: string;
  readonly hint: string;
  readonly values: readonly string[];
  readonly onChange: (values: string[]) => void;
}

/** A list of texts, one a line. */
export function LinesField({ label, hint, values, onChange }: LinesProps) {
  return (
    <label class="field">
      <span>{label}, one a line</span>
      <textarea
        rows={2}
        spellcheck={false}
        title={hint}
        value={values.join("\n")}
        onChange={(event) => {
          const lines = event.currentTarget.value.split("\n").map((line) => line.trim());
          onChange(lines.filter((line) => line !== ""));
        }}
      />
    </label>
  );
}

interface CheckProps {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly children: ComponentChildren;
}

export function Check({ checked, onChange, children }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{children}</span>
    </label>
  );
}
