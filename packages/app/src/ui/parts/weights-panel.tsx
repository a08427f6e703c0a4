import type { LayerWeights } from "@equant/report";
import { formatDb } from "../../format.js";
import { selectLayer } from "../../state/selection.js";
import { currentMeasures, model, selectedLayer } from "../../state/store.js";
import { Chart } from "./chart.js";
import { Select } from "./fields.js";
import { Panel } from "./panel.js";

/** Weights of one layer by channel: the selected one, else the one that rounding hurts most. */
export function WeightsPanel() {
  const { layers = [], weights = [] } = model.value ?? {};
  const worst = [...layers].sort((a, b) => a.weightDb.perTensor - b.weightDb.perTensor);
  const chosen = layers.find(({ name }) => name === selectedLayer.value) ?? worst[0];
  if (!chosen) return null;
  const run = currentMeasures.value.report?.weights?.find(({ layer }) => layer === chosen.name);
  const own = run ?? weights.find(({ layer }) => layer === chosen.name);
  return (
    <Panel
      title="Weight ranges"
      level={run ? "measured" : "predicted"}
      hint="worst layers first; dead channels round to zero"
    >
      <Select
        label="Layer"
        value={chosen.name}
        options={worst.map(({ name, weightDb }) => ({
          value: name,
          text: `${name} · ${formatDb(weightDb.perTensor)}`,
        }))}
        onChange={selectLayer}
      />
      {own && <Chart name="weight-ranges" args={[own as LayerWeights]} />}
    </Panel>
  );
}
