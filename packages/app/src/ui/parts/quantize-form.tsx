import { pruneTitle } from "../../recipe/describe.js";
import { stepOf } from "../../recipe/recipe.js";
import { togglePruning } from "../../state/pruning.js";
import { editStep, toggleStep } from "../../state/recipe-edit.js";
import { recipe } from "../../state/store.js";
import { Check, Select } from "./fields.js";
import { Panel } from "./panel.js";

/** Options of the whole network; single layers are ticked in the table. */
export function QuantizeForm() {
  const step = stepOf(recipe.value, "quantize");
  const prune = stepOf(recipe.value, "prune");
  const correct = stepOf(recipe.value, "bias-correct");
  return (
    <Panel title="Plan">
      <div class="fields">
        <Select
          label="Target"
          value={step?.target ?? "ort-cpu"}
          options={[
            { value: "ort-cpu", text: "ONNX Runtime, CPU" },
            { value: "ort-web", text: "ONNX Runtime, web" },
            { value: "tensorrt", text: "GPU int8" },
            { value: "hailo", text: "Hailo, per tensor" },
            { value: "fpga", text: "FPGA, powers of two" },
          ]}
          onChange={(target) => editStep("quantize", { target })}
        />
        <Select
          label="Weight scales"
          value={step?.granularity ?? "perTensor"}
          options={[
            { value: "perTensor", text: "one a tensor" },
            { value: "perChannel", text: "one a channel" },
          ]}
          onChange={(granularity) => editStep("quantize", { granularity })}
        />
        <Select
          label="Weight bits"
          value={String(step?.weightBits ?? 8)}
          options={["8", "7", "6", "5", "4", "3", "2", "16"].map((bits) => ({ value: bits, text: bits }))}
          onChange={(bits) => editStep("quantize", { weightBits: bits === "8" ? undefined : Number(bits) } as never)}
        />
        <Select
          label="Activations"
          value={step?.activations ?? "auto"}
          options={[
            { value: "auto", text: "as the target" },
            { value: "uint8", text: "uint8" },
            { value: "int8", text: "int8" },
            { value: "uint16", text: "uint16" },
            { value: "int16", text: "int16" },
          ]}
          onChange={(type) => editStep("quantize", { activations: type === "auto" ? undefined : type } as never)}
        />
        <Select
          label="Ranges"
          value={step?.chooser ?? "minmax"}
          options={[
            { value: "tail", text: "min–max and room for unseen images" },
            { value: "minmax", text: "min–max" },
            { value: "percentile:99.99", text: "percentile 99.99" },
            { value: "entropy", text: "entropy" },
            { value: "mse", text: "mean square error" },
          ]}
          onChange={(chooser) => editStep("quantize", { chooser })}
        />
      </div>
      <div class="row">
        <Check checked={prune !== undefined} onChange={togglePruning}>
          Prune {prune && <span class="hint">{pruneTitle(prune)!.replace("prune ", "")}</span>}
        </Check>
        <Check
          checked={stepOf(recipe.value, "dead-channels") !== undefined}
          onChange={(on) => toggleStep("dead-channels", on)}
        >
          Remove dead channels
        </Check>
        <Check checked={stepOf(recipe.value, "equalize") !== undefined} onChange={(on) => toggleStep("equalize", on)}>
          Equalize
        </Check>
        <Check checked={correct !== undefined} onChange={(on) => toggleStep("bias-correct", on)}>
          Correct biases
        </Check>
        <Check checked={stepOf(recipe.value, "ada-round") !== undefined} onChange={(on) => toggleStep("ada-round", on)}>
          AdaRound: learn the rounding <span class="hint">slow; pays below 8 bits</span>
        </Check>
        <Check
          checked={stepOf(recipe.value, "tune-biases") !== undefined}
          onChange={(on) => toggleStep("tune-biases", on)}
        >
          Tune biases <span class="hint">slow</span>
        </Check>
      </div>
    </Panel>
  );
}
