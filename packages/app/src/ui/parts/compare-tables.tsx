import { formatBytes, formatDb, formatPercent } from "../../format.js";
import { recipeDiff } from "../../recipe/recipe.js";
import { selectLayer } from "../../state/selection.js";
import { measures, type Run, selectedLayer } from "../../state/store.js";
import { DataTable } from "./data-table.js";
import { Panel } from "./panel.js";

const show = (value: unknown) =>
  value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value);

/** What two runs were asked, what they gave, and where they differ layer by layer. */
export function CompareTables({ a, b }: { a: Run; b: Run }) {
  const [first, second] = [measures.value[a.id], measures.value[b.id]];
  const top1 = (measured: typeof first) => {
    const value = measured?.validation?.candidate.top1;
    return value === null || value === undefined ? "not measured" : formatPercent(value);
  };
  const figures = [
    { name: "Size", a: formatBytes(a.outcome.bytes.length), b: formatBytes(b.outcome.bytes.length) },
    {
      name: "Output SQNR, sampled",
      a: formatDb(a.outcome.verification.runtime.sqnrDb),
      b: formatDb(b.outcome.verification.runtime.sqnrDb),
    },
    {
      name: "Same answer, sampled",
      a: formatPercent(a.outcome.verification.runtime.agreement),
      b: formatPercent(b.outcome.verification.runtime.agreement),
    },
    { name: "Top-1, measured", a: top1(first), b: top1(second) },
  ];
  const other = new Map(second?.report?.sqnr?.layers.map((layer) => [layer.layer, layer.local.both]));
  const names = new Set([...(first?.report?.sqnr?.layers ?? []).map(({ layer }) => layer), ...other.keys()]);
  const own = new Map(first?.report?.sqnr?.layers.map((layer) => [layer.layer, layer.local.both]));
  const layers = [...names].map((layer) => {
    const [x, y] = [own.get(layer), other.get(layer)];
    return { layer, x, y, gain: x === undefined || y === undefined ? undefined : y - x };
  });
  const diff = recipeDiff(a.recipe, b.recipe);
  return (
    <>
      <div class="grid-2">
        <Panel title="Figures">
          <DataTable
            label="Figures"
            columns={[
              { title: "Figure", cell: ({ name }) => name },
              { title: "A", cell: (row) => row.a },
              { title: "B", cell: (row) => row.b },
            ]}
            rows={figures}
            keyOf={({ name }) => name}
          />
        </Panel>
        <Panel title="Recipes">
          {diff.length === 0 ? (
            <p class="hint">The recipes are the same; model or data differ.</p>
          ) : (
            <DataTable
              label="Differences of the recipes"
              columns={[
                { title: "Option", cell: ({ path }) => <code>{path}</code> },
                { title: "A", cell: (row) => show(row.a) },
                { title: "B", cell: (row) => show(row.b) },
              ]}
              rows={diff}
              keyOf={({ path }) => path}
            />
          )}
        </Panel>
      </div>
      {layers.length > 0 && (
        <Panel title="Layers" level="sampled" hint="local SQNR; a layer that only one run quantized is marked">
          <DataTable
            label="Layers of both runs"
            columns={[
              { title: "Layer", cell: ({ layer }) => layer },
              { title: "A", cell: ({ x }) => (x === undefined ? "missing" : formatDb(x)) },
              { title: "B", cell: ({ y }) => (y === undefined ? "missing" : formatDb(y)) },
              {
                title: "B − A",
                cell: ({ gain }) =>
                  gain === undefined ? "" : `${gain >= 0 ? "+" : "−"}${Math.abs(gain).toFixed(1)} dB`,
              },
            ]}
            rows={layers}
            keyOf={({ layer }) => layer}
            isSelected={({ layer }) => layer === selectedLayer.value}
            onSelect={({ layer }) => selectLayer(layer)}
          />
        </Panel>
      )}
    </>
  );
}
