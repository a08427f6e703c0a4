/** The parts of the library that folding uses, without the rest. */
export * from "../../src/fold/index.js";
export * from "../../src/graph/index.js";
export { createRandom } from "../../src/math/index.js";
export * from "../../src/runtime/index.js";
