export { cachedDataset } from "./cache.js";
export {
  type Checkpoint,
  type EpochRow,
  parseCheckpoint,
  type StepValidation,
  serializeCheckpoint,
} from "./checkpoint.js";
export { buildDigitNetwork, DIGIT_PARAMETERS } from "./digit-network.js";
export { answeredBy, measureTop1, type Top1Options } from "./evaluate.js";
export type { Optimizer } from "./optimizer.js";
export type { TrainOptions } from "./options.js";
export { learnableParameters, type Parameter, type ParameterKind } from "./parameters.js";
export { learningRate, type Schedule, type ScheduleTime } from "./schedule.js";
export type { Loss } from "./step-graph.js";
export { type TrainResult, train } from "./train.js";
