import { CHART_CSS, CHART_IDS, type Chart } from "../charts/index.js";
import { verdictOf } from "../page/verdict.js";
import { checkReport, readReport } from "../read-report.js";
import type { Report } from "../schema.js";
import { chartsNamed, idOf } from "./chart-names.js";
import { ELEMENT_CSS } from "./element-style.js";

const MIN_WIDTH = 280;
const MAX_WIDTH = 960;
/** Around the charts, where a theme gives them a ground of their own. */
const PADDING = 24;

function make<K extends keyof HTMLElementTagNameMap>(tag: K, text = "", attributes: Record<string, string> = {}) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/**
 * `<equant-report src="report.json">`: the verdict and the charts of a report, for pages of documentation and notebooks.
 *
 * Attributes: `src`, address of a report.json; `charts`, names in the order they are drawn (default: all that the report has
 * sections for); `layer`, the selected layer; `theme`, `light` or `dark` (default: the system's); `plain`, no verdict and no choice
 * of the layer. Property `report`: a report instead of `src`. Event `layerselect`, with `detail.layer`.
 */
export class EquantReport extends HTMLElement {
  static readonly observedAttributes = ["src", "charts", "layer", "theme", "plain"];
  readonly #root = this.attachShadow({ mode: "open" });
  readonly #body = make("div", "", { class: "body" });
  readonly #observer = new ResizeObserver(() => this.#resize());
  #report: Report | undefined;
  #width = 0;
  #loading = 0;

  constructor() {
    super();
    this.#root.append(make("style", CHART_CSS + ELEMENT_CSS), this.#body);
    this.#body.addEventListener("click", ({ target }) => {
      const layer = (target as Element).closest("[data-layer]")?.getAttribute("data-layer");
      if (layer) this.#select(layer);
    });
  }

  get report(): Report | undefined {
    return this.#report;
  }

  /** @throws {DataError} E5002 when it is no report. */
  set report(report: Report | undefined) {
    this.#loading++;
    this.#report = report === undefined ? undefined : checkReport(report);
    this.#draw();
  }

  connectedCallback(): void {
    this.#observer.observe(this);
  }

  disconnectedCallback(): void {
    this.#observer.disconnect();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === "src") void this.#load(after);
    else this.#draw();
  }

  async #load(src: string | null): Promise<void> {
    const turn = ++this.#loading;
    this.#report = undefined;
    if (src === null) return this.#draw();
    try {
      const response = await fetch(new URL(src, this.baseURI));
      if (!response.ok) throw new Error(`${src}: ${response.status} ${response.statusText}`);
      const report = readReport(await response.text(), src);
      // A later address wins, whichever answers first.
      if (turn !== this.#loading) return;
      this.#report = report;
      this.#draw();
    } catch (error) {
      if (turn !== this.#loading) return;
      const text = error instanceof Error ? error.message : String(error);
      this.#body.replaceChildren(make("p", `The report cannot be shown: ${text}`, { role: "alert", class: "failed" }));
    }
  }

  #resize(): void {
    const room = Math.floor((this.clientWidth - PADDING) / 20) * 20;
    const width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, room));
    if (width === this.#width) return;
    this.#width = width;
    this.#draw();
  }

  #select(layer: string): void {
    this.setAttribute("layer", layer);
    this.dispatchEvent(new CustomEvent("layerselect", { detail: { layer }, bubbles: true }));
  }

  /** The selected layer; without one, the layer with the lowest ratio of its own. */
  #layer({ sqnr, layers }: Report): string | undefined {
    const chosen = this.getAttribute("layer");
    if (chosen !== null) return chosen;
    const worst = [...(sqnr?.layers ?? [])].sort((a, b) => a.local.both - b.local.both)[0];
    return worst?.layer ?? layers[0]?.name;
  }

  #draw(): void {
    const report = this.#report;
    const theme = this.getAttribute("theme");
    if (theme === "light" || theme === "dark") this.#body.dataset.theme = theme;
    else delete this.#body.dataset.theme;
    if (!report || this.#width === 0) {
      this.#body.replaceChildren();
      return;
    }
    const names = this.getAttribute("charts")
      ?.split(/[\s,]+/)
      .filter(Boolean);
    const unknown = (names ?? []).filter((name) => idOf(name) === undefined);
    const layer = this.#layer(report);
    const parts: HTMLElement[] = [];
    if (!this.hasAttribute("plain")) {
      parts.push(make("p", verdictOf(report).sentence, { class: "verdict" }));
      parts.push(this.#choice(report, layer));
    }
    if (unknown.length > 0) {
      const text = `charts: ${unknown.join(", ")} is none of ${CHART_IDS.join(", ")}`;
      parts.push(make("p", text, { role: "alert", class: "failed" }));
    }
    for (const { id, chart } of chartsNamed(report, names, layer)) parts.push(this.#figure(id, chart));
    this.#body.replaceChildren(...parts);
    for (const element of this.#body.querySelectorAll(`[data-layer="${CSS.escape(layer ?? "")}"]`)) {
      element.classList.add("eq-selected");
      for (const hit of element.querySelectorAll(".eq-hit")) hit.classList.add("eq-selected");
    }
  }

  #choice({ layers }: Report, selected: string | undefined): HTMLElement {
    const label = make("label", "Layer ");
    const select = make("select");
    for (const { name } of layers) {
      const option = make("option", name, { value: name });
      option.selected = name === selected;
      select.append(option);
    }
    select.addEventListener("change", () => this.#select(select.value));
    label.append(select);
    return label;
  }

  #figure(name: string, chart: Chart): HTMLElement {
    const figure = make("figure", "", { part: "figure", "data-chart": name });
    const caption = make("figcaption");
    caption.append(make("strong", chart.title), ` ${chart.unit}`);
    const drawing = make("div", "", { class: "drawing" });
    drawing.append(chart.draw({ document, width: this.#width }));
    figure.append(caption, drawing, make("p", chart.summary), numbers(chart));
    return figure;
  }
}

/** The numbers of a chart, folded. */
function numbers({ table, title }: Chart): HTMLElement {
  const details = make("details");
  details.append(make("summary", "Numbers"));
  // Filled when it is opened: thousands of rows that nobody reads cost a second.
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const element = make("table", "", { "aria-label": title });
    const head = element.createTHead().insertRow();
    for (const column of table.columns) head.append(make("th", column, { scope: "col" }));
    const body = element.createTBody();
    for (const row of table.rows) {
      const line = body.insertRow();
      for (const cell of row) line.insertCell().textContent = cell === null ? "" : String(cell);
    }
    const scroll = make("div", "", {
      class: "numbers",
      tabindex: "0",
      role: "region",
      "aria-label": `${title}, numbers`,
    });
    scroll.append(element);
    details.append(scroll);
  });
  return details;
}
