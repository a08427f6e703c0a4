import type { PackedTable } from "./html.js";

/**
 * The page's behaviour. Its text goes into report.html, so it uses nothing from outside: drawings come out of their templates
 * when they are near the window, one selection of a layer is shown in all of them, tables are made when they are asked for.
 */
export function pageScript(): void {
  const all = <E extends Element>(selector: string, from: ParentNode = document) => [
    ...from.querySelectorAll<E>(selector),
  ];
  const one = <E extends Element>(selector: string, from: ParentNode = document) => from.querySelector<E>(selector);
  const root = document.documentElement;
  const say = (text: string) => {
    one("#status")!.textContent = text;
  };
  let selected: string | undefined;

  const mark = (from: ParentNode) => {
    for (const item of all(".eq-selected", from)) item.classList.remove("eq-selected");
    if (selected === undefined) return;
    for (const item of all(`[data-layer="${CSS.escape(selected)}"]`, from)) item.classList.add("eq-selected");
  };

  /** A drawing that is wider than its place scrolls: by keyboard too. */
  const reach = (place: Element) => {
    if (place.classList.contains("scroll")) return;
    if (place.scrollWidth <= place.clientWidth + 1) place.removeAttribute("tabindex");
    else {
      place.setAttribute("tabindex", "0");
      place.setAttribute("role", "group");
      place.setAttribute("aria-label", "Drawing, scrolls");
    }
  };

  /** Shows the first drawing of a place unless there is one, or the one that is asked for. */
  const reveal = (place: Element, view?: string) => {
    const drawn = one(":scope > svg", place);
    if (drawn && view === undefined) return;
    const templates = all<HTMLTemplateElement>("template", place);
    const template = view === undefined ? templates[0] : templates.find(({ dataset }) => dataset.view === view);
    if (!template) return;
    drawn?.remove();
    place.append(template.content.cloneNode(true));
    reach(place);
    mark(place);
  };

  // One drawing a turn: each is short, all together would hold up the page.
  const waiting = new Set<Element>();
  const turn = () => {
    const [next] = waiting;
    if (!next) return;
    waiting.delete(next);
    reveal(next);
    if (waiting.size > 0) setTimeout(turn);
  };
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        if (waiting.size === 0) setTimeout(turn);
        waiting.add(target);
      }
    },
    { rootMargin: "400px" },
  );
  for (const place of all(".plot")) if (one("template", place)) near.observe(place);
  addEventListener("beforeprint", () => {
    for (const place of all(".plot")) reveal(place);
  });

  const unpack = (packed: Element): Promise<string> => {
    const bytes = Uint8Array.from(atob(packed.textContent!), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Response(stream).text();
  };

  /** Opens a row of a heat map below it; the same row again closes it. */
  const openRow = async (figure: Element, key: string) => {
    const choice = one<HTMLSelectElement>(".msb-row", figure);
    const place = one<HTMLElement>(".row-detail", figure);
    if (!choice || !place) return;
    const packed = key === "" ? null : one(`[data-row-charts="${CSS.escape(key)}"]`);
    choice.value = packed ? key : "";
    const html = packed ? await unpack(packed) : "";
    if (choice.value !== (packed ? key : "")) return;
    place.innerHTML = html;
    for (const plot of all(".plot", place)) reach(plot);
    mark(place);
  };

  addEventListener("resize", () => {
    for (const place of all(".plot")) reach(place);
  });

  const select = (layer: string | undefined, scroll = false) => {
    selected = layer;
    for (const button of all(".layer-table .pick")) {
      button.setAttribute("aria-current", String(button.getAttribute("data-pick") === layer));
    }
    mark(document);
    const inspector = one("#inspector");
    if (!inspector) return;
    const packed = layer === undefined ? null : one(`[data-layer-charts="${CSS.escape(layer)}"]`);
    const show = (html: string) => {
      if (selected !== layer) return;
      inspector.innerHTML = html;
      for (const place of all(".plot", inspector)) reach(place);
      mark(inspector);
    };
    if (!packed) show("<p>No layer is selected.</p>");
    else void unpack(packed).then(show);
    if (scroll) inspector.scrollIntoView({ block: "start" });
    say(layer === undefined ? "No layer is selected" : `Layer ${layer}`);
  };

  const rowsOf = (figure: Element) => {
    const table = JSON.parse(one("script", figure)!.textContent!) as PackedTable;
    const columns = table.cells.map((cells) =>
      cells.flatMap((cell) => (Array.isArray(cell) ? new Array(cell[1]).fill(cell[0]) : [cell])),
    );
    return { table, rows: Array.from({ length: table.rows }, (_, row) => columns.map((column) => column[row])) };
  };
  const PAGE = 500;
  const fillTable = (figure: Element, place: Element) => {
    const { table, rows } = rowsOf(figure);
    const made = document.createElement("table");
    const head = made.createTHead().insertRow();
    for (const name of table.columns) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
    const body = made.createTBody();
    const add = (from: number) => {
      for (const row of rows.slice(from, from + PAGE)) {
        const line = body.insertRow();
        for (const cell of row) line.insertCell().textContent = cell === null ? "–" : String(cell);
        if (table.layerColumn !== undefined) line.dataset.layer = String(row[table.layerColumn]);
      }
      mark(place);
      const rest = rows.length - from - PAGE;
      if (rest <= 0) return;
      const more = document.createElement("button");
      more.textContent = `Show more (${rest} rows)`;
      more.onclick = () => {
        more.remove();
        add(from + PAGE);
      };
      place.append(more);
    };
    place.replaceChildren(made);
    add(0);
  };

  const save = (name: string, type: string, text: string) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const csv = (figure: Element) => {
    const { table, rows } = rowsOf(figure);
    const quote = (cell: unknown) => {
      const text = cell === null ? "" : String(cell);
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return `${[table.columns, ...rows].map((row) => row.map(quote).join(",")).join("\n")}\n`;
  };

  const sortBy = (button: Element) => {
    const header = button.closest("th")!;
    const table = header.closest("table")!;
    const at = [...header.parentElement!.children].indexOf(header);
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row: HTMLTableRowElement) => row.cells[at]!.textContent!.trim();
    const number = (text: string) =>
      /^[−-]?[\d.]/.test(text) ? Number.parseFloat(text.replace("−", "-")) : Number.NaN;
    const body = table.tBodies[0]!;
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [number(value(a)), number(value(b))];
      if (Number.isNaN(x) || Number.isNaN(y)) {
        return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || (value(a) < value(b) ? -1 : 1);
      }
      return x - y;
    });
    body.append(...(down ? rows.reverse() : rows));
  };
  for (const header of all(".layer-table thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = header.textContent;
    header.replaceChildren(button);
  }

  for (const row of all<HTMLElement>(".layer-table tbody tr")) {
    row.dataset.layer = one<HTMLElement>(".pick", row)!.dataset.pick!;
  }

  // What is pointed at or focused in one drawing or table is marked in all of them.
  let pointed: string | undefined;
  const point = (target: EventTarget | null) => {
    const item = target instanceof Element ? target.closest("[data-layer],[data-pick],li[data-name]") : null;
    const layer = item
      ? (["layer", "pick", "name"] as const).map((key) => item.getAttribute(`data-${key}`)).find(Boolean)
      : undefined;
    if ((layer ?? undefined) === pointed) return;
    pointed = layer ?? undefined;
    for (const marked of all(".eq-hover")) marked.classList.remove("eq-hover");
    if (pointed === undefined) return;
    for (const marked of all(`[data-layer="${CSS.escape(pointed)}"]`)) marked.classList.add("eq-hover");
  };
  document.addEventListener("pointerover", ({ target }) => point(target));
  document.addEventListener("focusin", ({ target }) => point(target));
  document.addEventListener("focusout", () => point(null));

  const search = one<HTMLInputElement>("#search");
  search?.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    const matches = (item: Element) => words.every((word) => item.textContent!.toLowerCase().includes(word));
    let shown = 0;
    for (const row of all<HTMLElement>(".layer-table tbody tr")) {
      row.hidden = !matches(row);
      if (!row.hidden) shown++;
    }
    for (const item of all<HTMLElement>(".list li")) item.hidden = !matches(item);
    say(`${shown} layers`);
  });

  const step = (by: number) => {
    const names = all<HTMLElement>(".layer-table tbody tr:not([hidden]) .pick").map((item) => item.dataset.pick!);
    if (names.length === 0) return;
    const at = selected === undefined ? -1 : names.indexOf(selected);
    select(names[at < 0 ? (by > 0 ? 0 : names.length - 1) : (at + by + names.length) % names.length]);
  };

  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const button = target.closest("button");
    const figure = target.closest(".chart");
    if (button?.id === "theme") {
      const dark = root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
    } else if (button?.classList.contains("pick")) select(button.dataset.pick, true);
    else if (button?.classList.contains("sort")) sortBy(button);
    else if (button?.classList.contains("show-table") && figure) {
      const place = one<HTMLElement>(".data", figure)!;
      place.hidden = !place.hidden;
      button.setAttribute("aria-expanded", String(!place.hidden));
      if (!place.hidden && !place.firstChild) fillTable(figure, place);
    } else if (button?.classList.contains("save-csv") && figure) {
      save(`${figure.getAttribute("data-chart")}.csv`, "text/csv", csv(figure));
    } else if (button?.classList.contains("save-svg") && figure) {
      reveal(one(".plot", figure)!);
      const svg = one(".plot svg", figure)!.cloneNode(true) as Element;
      const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
      style.textContent = one("#chart-style")!.textContent;
      svg.prepend(style);
      save(`${figure.getAttribute("data-chart")}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(svg));
    } else if (button?.dataset.show && figure) {
      reveal(one(".plot", figure)!, button.dataset.show);
      for (const other of all("[data-show]", figure)) other.setAttribute("aria-pressed", String(other === button));
    } else if (button?.dataset.by && figure) {
      reveal(one(".plot", figure)!);
      const svg = one(".plot svg", figure)!;
      svg.setAttribute("class", svg.getAttribute("class")!.replace(/eq-by-\w+/, `eq-by-${button.dataset.by}`));
      for (const other of all("[data-by]", figure)) other.setAttribute("aria-pressed", String(other === button));
    } else {
      const item = target.closest("[data-layer]");
      const name = item?.getAttribute("data-layer");
      const row = item?.getAttribute("data-row");
      // A row of a heat map opens below it: showing its layer as well must not close the place that was clicked in.
      if (row && figure && one(".msb-row", figure)) {
        const closes = one<HTMLSelectElement>(".msb-row", figure)!.value === row;
        void openRow(figure, closes ? "" : row);
        if (!figure.closest("#inspector")) select(closes ? undefined : name!);
      } else if (name && !figure?.closest(".row-detail")) select(name === selected ? undefined : name);
    }
  });
  document.addEventListener("change", (event) => {
    const choice = (event.target as Element).closest<HTMLSelectElement>(".msb-row");
    if (choice) void openRow(choice.closest(".chart")!, choice.value);
  });

  document.addEventListener("keydown", (event) => {
    const typing = (event.target as Element).closest("input,textarea,select");
    if (event.key === "Escape") {
      if (typing) (typing as HTMLElement).blur();
      else select(undefined);
    }
    const enabled = one<HTMLInputElement>("#shortcuts")?.checked;
    if (typing || !enabled || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      search?.focus();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "?") {
      const help = one<HTMLDetailsElement>("#keys")!;
      help.open = !help.open;
    }
  });
}
