export { renderReport } from "./page/render-report.js";
export { type Verdict, verdictOf } from "./page/verdict.js";
export { lightDocument, renderSvg, renderSvgStack } from "./render-svg.js";
