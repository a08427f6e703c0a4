import { useEffect, useRef, useState } from "preact/hooks";
import { filter, layerRows, rangesByLayer, shownRows, tickLayer } from "../../state/layer-rows.js";
import { selectLayer } from "../../state/selection.js";
import { currentMeasures, selectedLayer } from "../../state/store.js";
import { columns, columnWidths } from "./columns.js";
import { LayerHeader } from "./layer-header.js";
import { type Entry, entriesOf, LayerLine } from "./layer-line.js";
import { useVirtual } from "./use-virtual.js";

const ROW_PX = 30;

/** All layers: the accessible equal of the graph. A tree grid: layers, and their tensors below them. */
export function LayerTable() {
  const scroller = useRef<HTMLDivElement>(null);
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const rows = shownRows.value;
  const entries = entriesOf(rows, expanded, rangesByLayer.value);
  const { items, total, scrollTo } = useVirtual(scroller, entries.length, ROW_PX);
  const current = entries.findIndex((entry) => entry.kind === "layer" && entry.row.name === selectedLayer.value);
  // Selected elsewhere: the row comes into view.
  useEffect(() => {
    if (current >= 0) scrollTo(current);
  }, [selectedLayer.value]);

  const expand = (name: string, open: boolean) => {
    const next = new Set(expanded);
    if (open) next.add(name);
    else next.delete(name);
    setExpanded(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows.find(({ name }) => name === selectedLayer.value);
    const at = row ? rows.indexOf(row) : -1;
    const select = (index: number) => selectLayer(rows[Math.max(0, Math.min(rows.length - 1, index))]?.name ?? null);
    const actions: Record<string, () => void> = {
      ArrowDown: () => select(at + 1),
      ArrowUp: () => select(at < 0 ? 0 : at - 1),
      PageDown: () => select(at + 10),
      PageUp: () => select(at - 10),
      Home: () => select(0),
      End: () => select(rows.length - 1),
      ArrowRight: () => row && expand(row.name, true),
      ArrowLeft: () => row && expand(row.name, false),
      " ": () => row && tickLayer(row.name, !row.quantized),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  const hasMeasures = currentMeasures.value.report !== undefined;
  return (
    <div class="layer-table">
      <div class="layer-tools">
        <input
          type="search"
          id="layer-filter"
          aria-label="Filter layers"
          placeholder="Filter: name, operator, sqnr<20"
          value={filter.value}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
          }}
        />
        <span class="hint number">
          {rows.length} of {layerRows.value.length} layers{hasMeasures ? ", ratios sampled" : ", ratios predicted"}
        </span>
      </div>
      <div class="dock-body grid-scroll" ref={scroller}>
        <div
          role="treegrid"
          id="layer-grid"
          class="layer-grid"
          style={{ "--columns": columnWidths.value }}
          tabIndex={0}
          aria-label="Layers"
          aria-rowcount={entries.length + 1}
          aria-colcount={columns.value.length}
          aria-activedescendant={current >= 0 ? `layer-row-${current}` : undefined}
          onKeyDown={onKeyDown}
        >
          <LayerHeader />
          <div class="layer-rows" role="rowgroup" style={{ height: `${total}px` }}>
            {items.map(({ index, start }) => (
              <LayerLine key={index} entry={entries[index] as Entry} index={index} top={start} onExpand={expand} />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}
