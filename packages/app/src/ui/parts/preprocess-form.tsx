import type { PreprocessOptions, PresetName } from "@equant/core";
import { editData } from "../../state/recipe-edit.js";
import { recipe } from "../../state/store.js";
import { NumberField, Select } from "./fields.js";
import { Panel } from "./panel.js";

const PRESETS = [
  { value: "raw", text: "raw: 0 … 255" },
  { value: "zero-one", text: "zero-one: 0 … 1" },
  { value: "tf", text: "tf: −1 … 1" },
  { value: "imagenet", text: "imagenet: mean and std" },
] as const;

/** How images become numbers, and how many go where. */
export function PreprocessForm() {
  const { preprocess, samples, validate, labels } = recipe.value.data;
  const set = (change: Partial<PreprocessOptions>) => {
    const merged = Object.entries({ ...preprocess, ...change }).filter(([, value]) => value !== undefined);
    editData({ preprocess: Object.fromEntries(merged) as PreprocessOptions });
  };
  return (
    <Panel title="Preprocessing and split">
      <div class="fields">
        <Select
          label="Pixel values"
          value={(preprocess.preset ?? "raw") as PresetName}
          options={PRESETS}
          onChange={(preset) => set({ preset: preset === "raw" ? undefined : preset } as Partial<PreprocessOptions>)}
        />
        <Select
          label="Size"
          value={preprocess.crop === undefined ? "exact" : "crop"}
          options={[
            { value: "exact", text: "stretch to the input" },
            { value: "crop", text: "shorter side 256, crop 224" },
          ]}
          onChange={(how) =>
            set(how === "crop" ? { resize: 256, crop: 224 } : ({ resize: undefined, crop: undefined } as never))
          }
        />
        <Select
          label="Colours"
          value={preprocess.colorOrder ?? "auto"}
          options={[
            { value: "auto", text: "as the model" },
            { value: "RGB", text: "RGB" },
            { value: "BGR", text: "BGR" },
            { value: "gray", text: "gray" },
          ]}
          onChange={(order) => set({ colorOrder: order === "auto" ? undefined : order } as Partial<PreprocessOptions>)}
        />
        <Select
          label="Labels"
          value={labels}
          options={[
            { value: "auto", text: "as found" },
            { value: "folders", text: "one folder a class" },
            { value: "none", text: "none" },
          ]}
          onChange={(value) => editData({ labels: value })}
        />
        <NumberField
          label="For calibration"
          value={samples}
          min={1}
          max={100_000}
          onChange={(value) => editData({ samples: value })}
        />
        <NumberField
          label="For validation"
          value={validate}
          min={1}
          max={1_000_000}
          onChange={(value) => editData({ validate: value })}
        />
      </div>
    </Panel>
  );
}
