import type { ComponentChildren } from "preact";

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly text?: boolean;
}

interface DataTableProps<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T, index: number) => string;
  readonly isSelected?: (row: T) => boolean;
  readonly onSelect?: (row: T) => void;
}

/** A table of some hundred rows at most; the dock's table is the one for thousands. */
export function DataTable<T>({ label, columns, rows, keyOf, isSelected, onSelect }: DataTableProps<T>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="table-wrap" aria-label={label} tabIndex={0}>
      <table class="data">
        <thead>
          <tr>
            {columns.map(({ title, text }) => (
              <th key={title} scope="col" class={text ? "text" : ""}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={keyOf(row, index)} aria-selected={isSelected?.(row)} onClick={onSelect && (() => onSelect(row))}>
              {columns.map(({ title, cell, text }) => (
                <td key={title} class={text ? "text wrap" : ""}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
