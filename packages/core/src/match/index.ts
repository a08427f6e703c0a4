export { EXPORTS, type ExportName } from "./export-names.js";
export { exportQuantized, fakeQuantizeModel } from "./exports.js";
export { type FilePlan, filePlan, weightCosine } from "./file-plan.js";
export { type FoundFactors, findFactors } from "./find-factors.js";
export { type LayerMatch, type LayerPair, matchLayers } from "./match-layers.js";
export { matchValues } from "./match-values.js";
export { type FileConstant, type QdqFile, readQdq } from "./read-qdq.js";
