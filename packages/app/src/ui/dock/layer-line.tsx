import { formatNumber } from "../../format.js";
import { type LayerRow, tickLayer } from "../../state/layer-rows.js";
import { selectLayer } from "../../state/selection.js";
import { selectedLayer } from "../../state/store.js";
import { columns } from "./columns.js";

interface Range {
  readonly kind: string;
  readonly min: number;
  readonly max: number;
}

/** A line of the tree: a layer, or one of its tensors. */
export type Entry =
  | { readonly kind: "layer"; readonly row: LayerRow; readonly open: boolean; readonly has: boolean }
  | { readonly kind: "tensor"; readonly row: LayerRow; readonly range: Range };

export function entriesOf(
  rows: readonly LayerRow[],
  expanded: ReadonlySet<string>,
  ranges: ReadonlyMap<string, readonly Range[]>,
): Entry[] {
  return rows.flatMap((row): Entry[] => {
    const tensors = ranges.get(row.name) ?? [];
    const open = expanded.has(row.name);
    const layer: Entry = { kind: "layer", row, open, has: tensors.length > 0 };
    return open ? [layer, ...tensors.map((range): Entry => ({ kind: "tensor", row, range }))] : [layer];
  });
}

interface LayerLineProps {
  readonly entry: Entry;
  readonly index: number;
  readonly top: number;
  readonly onExpand: (name: string, open: boolean) => void;
}

export function LayerLine({ entry, index, top, onExpand }: LayerLineProps) {
  const { row } = entry;
  const style = { transform: `translateY(${top}px)` };
  if (entry.kind === "tensor") {
    const { kind, min, max } = entry.range;
    return (
      <div
        role="row"
        tabIndex={-1}
        id={`layer-row-${index}`}
        class="layer-row tensor"
        style={style}
        aria-level={2}
        aria-rowindex={index + 2}
      >
        <span role="gridcell" tabIndex={-1} />
        <span role="gridcell" tabIndex={-1} class="text tensor-name">
          {kind}
        </span>
        <span role="gridcell" tabIndex={-1} class="tensor-range">
          {formatNumber(min)} … {formatNumber(max)}
        </span>
      </div>
    );
  }
  const { open, has } = entry;
  const selected = row.name === selectedLayer.value;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the keys
    <div
      role="row"
      tabIndex={-1}
      id={`layer-row-${index}`}
      class="layer-row"
      style={style}
      aria-level={1}
      aria-expanded={has ? open : undefined}
      aria-selected={selected}
      aria-rowindex={index + 2}
      onClick={() => selectLayer(row.name)}
    >
      <span role="gridcell" tabIndex={-1}>
        <input
          type="checkbox"
          tabIndex={-1}
          checked={row.quantized}
          aria-label={`Quantize ${row.name}`}
          onClick={(event) => event.stopPropagation()}
          onChange={(event) => tickLayer(row.name, event.currentTarget.checked)}
        />
      </span>
      {columns.value.map(({ title, text, cell }, at) => (
        <span
          key={title}
          role="gridcell"
          tabIndex={-1}
          class={text ? "text" : ""}
          title={at === 0 ? row.name : undefined}
        >
          {at === 0 && has && (
            <button
              type="button"
              class="twist"
              tabIndex={-1}
              aria-label={`${open ? "Fold" : "Unfold"} ${row.name}`}
              onClick={(event) => {
                event.stopPropagation();
                onExpand(row.name, !open);
              }}
            >
              {open ? "▾" : "▸"}
            </button>
          )}
          {cell(row)}
        </span>
      ))}
    </div>
  );
}
