import { formatBytes, formatCount, formatDb, formatNumber, formatShape } from "../../format.js";
import { layerRows, rangesByLayer, tickLayer } from "../../state/layer-rows.js";
import { selectLayer } from "../../state/selection.js";
import { calibration, currentMeasures, model, selectedLayer } from "../../state/store.js";
import { Chart } from "../parts/chart.js";
import { Check } from "../parts/fields.js";
import { Icon } from "../parts/icons.js";
import { type Level, LevelBadge } from "../parts/level.js";

/** Everything known of the selected layer. */
export function Inspector() {
  const name = selectedLayer.value;
  if (!model.value || name === undefined) return null;
  const row = layerRows.value.find((candidate) => candidate.name === name);
  const node = model.value.inspect.nodes.find((candidate) => candidate.name === name);
  const { report } = currentMeasures.value;
  const weights =
    report?.weights?.find(({ layer }) => layer === name) ?? model.value.weights.find(({ layer }) => layer === name);
  const msb = [
    ...(report?.msb ?? [...model.value.msb, ...(calibration.value?.value.observed?.msb ?? [])]).filter(
      ({ layer }) => layer === name,
    ),
  ];
  const sqnr = report?.sqnr?.layers.find(({ layer }) => layer === name);
  const worked = msb.find(({ encoding, examples }) => encoding !== null && examples !== undefined);
  const facts: [string, string, Level?][] = row
    ? [
        ["Shape", formatShape(row.shape)],
        ["Parameters", formatCount(row.parameters)],
        ["Size", formatBytes(row.bytes)],
        ["Multiply–accumulates", row.macs === null ? "unknown" : formatCount(row.macs)],
        ["Range spread", `${row.spread.toFixed(1)}×`],
        ["SQNR of the weights", formatDb(row.weightDb), "predicted"],
        ...(sqnr
          ? ([
              ["SQNR by itself", formatDb(sqnr.local.both), "sampled"],
              ["with all before it", formatDb(sqnr.cumulative?.both), "sampled"],
              ["by itself, predicted", formatDb(sqnr.predicted.refined.both), "predicted"],
            ] as [string, string, Level][])
          : []),
      ]
    : [["Output", formatShape(node?.outputShape ?? [])]];
  return (
    <aside class="inspector" id="inspector" aria-label="Inspector" tabIndex={-1}>
      <header class="row">
        <h2 class="inspector-name">{name}</h2>
        <button
          type="button"
          class="button small ghost"
          aria-label="Close the inspector"
          onClick={() => selectLayer(null)}
        >
          <Icon name="close" />
        </button>
      </header>
      <p class="hint">
        {row?.opType ?? node?.opType}
        {node?.reason ? `: ${node.reason}` : ""}
      </p>
      {row && (
        <Check checked={row.quantized} onChange={(on) => tickLayer(name, on)}>
          Quantize this layer
        </Check>
      )}
      {sqnr?.findings.map(({ text }) => (
        <p class="note" key={text}>
          {text}
        </p>
      ))}
      <dl class="pairs">
        {facts.map(([term, value, level]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd class="number">
              {value} {level && <LevelBadge level={level} />}
            </dd>
          </div>
        ))}
        {(rangesByLayer.value.get(name) ?? []).map(({ kind, min, max }) => (
          <div key={kind}>
            <dt>{kind}</dt>
            <dd class="number">
              {formatNumber(min)} … {formatNumber(max)}
            </dd>
          </div>
        ))}
      </dl>
      {weights && <Chart name="weight-ranges" args={[weights]} />}
      {msb.length > 0 && <Chart name="msb-heatmap" args={[msb]} />}
      {msb
        .filter(({ channels }) => channels !== undefined)
        .map((row) => (
          <details key={row.tensor}>
            <summary>Most significant bits by channel, {row.kind}</summary>
            <Chart name="msb-channels" args={[row]} />
          </details>
        ))}
      {worked && (
        <details>
          <summary>How a few of its values are stored, bit by bit</summary>
          <Chart name="msb-bits" args={[worked]} />
        </details>
      )}
    </aside>
  );
}
