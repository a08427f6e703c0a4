export * from "./advice-report.js";
export * from "./advise.js";
export * from "./compress.js";
export * from "./plan-of-file.js";
export * from "./tune.js";
export { TuneJudge } from "./tune-judge.js";
export * from "./tune-report.js";
export { type TuneConstraints, tuneFront } from "./tune-schedule.js";
export * from "./verify.js";
