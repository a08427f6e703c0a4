import { EquantReport } from "./element/report-element.js";

export { ELEMENT_CHARTS } from "./element/report-charts.js";
export { EquantReport };

if (!customElements.get("equant-report")) customElements.define("equant-report", EquantReport);
