export * from "./fold.js";
export { FOLD_KINDS, type FoldedNode, type FoldKind } from "./fold-scope.js";
export * from "./upgrade-opset.js";
