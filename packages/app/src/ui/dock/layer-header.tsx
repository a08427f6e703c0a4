import { sorting } from "../../state/view.js";
import { columns } from "./columns.js";

/** Column heads; one that can be sorted by is a button. */
export function LayerHeader() {
  const { key, down } = sorting.value;
  return (
    <div role="rowgroup" class="layer-head">
      <div role="row" aria-rowindex={1} class="layer-row" tabIndex={-1}>
        <span role="columnheader" tabIndex={-1}>
          <span class="visually-hidden">Quantize</span>
        </span>
        {columns.value.map(({ title, about, sort, text }) => (
          <span
            key={title}
            role="columnheader"
            tabIndex={-1}
            class={text ? "text" : ""}
            title={about}
            aria-sort={sort === key ? (down ? "descending" : "ascending") : undefined}
          >
            {sort ? (
              <button
                type="button"
                class="sort"
                onClick={() => {
                  // The third press goes back to the order of the graph.
                  sorting.value =
                    sort !== key
                      ? { key: sort, down: false }
                      : down
                        ? { key: "graph", down: false }
                        : { key: sort, down: true };
                }}
              >
                {title}
                {sort === key ? (down ? " ↓" : " ↑") : ""}
              </button>
            ) : (
              title
            )}
          </span>
        ))}
      </div>
    </div>
  );
}
