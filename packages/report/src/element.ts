import { EquantReport } from "./element/report-element.js";

export { EquantReport };

if (!customElements.get("equant-report")) customElements.define("equant-report", EquantReport);
