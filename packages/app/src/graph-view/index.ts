export { GraphView } from "./graph-view.js";
export { type LayoutOptions, layoutGraph } from "./layout-graph.js";
export type { GraphView as MountedGraphView } from "./mount-graph-view.js";
export { type GraphViewOptions, mountGraphView } from "./mount-graph-view.js";
export { parseSearch, type Search } from "./search.js";
