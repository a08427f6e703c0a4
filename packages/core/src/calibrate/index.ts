export * from "./calibrate.js";
export * from "./calibration.js";
export * from "./channel-stats.js";
export * from "./statistics-graph.js";
export * from "./statistics-table.js";
export * from "./tails.js";
export * from "./value-statistics.js";
