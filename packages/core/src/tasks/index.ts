export * from "./answer.js";
export type { Decoder, Head, HeadSettings, HeadTensor, InputSize } from "./heads/head.js";
export { HEADS, type HeadKind, recognise } from "./heads/recognise.js";
export * from "./judge.js";
export type { LabelledSet } from "./labels/labelled-set.js";
export * from "./labels/read.js";
export * from "./table.js";
export type { Judgement, Metric, Task } from "./task.js";
