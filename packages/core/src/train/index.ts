export { type Checkpoint, type EpochRow, parseCheckpoint, serializeCheckpoint } from "./checkpoint.js";
export { buildDigitNetwork, DIGIT_PARAMETERS } from "./digit-network.js";
export { measureTop1, type Top1Options } from "./evaluate.js";
export { OPTIMIZER_DEFAULTS, type Optimizer } from "./optimizer.js";
export { TRAIN_DEFAULTS, type TrainOptions } from "./options.js";
export { learnableParameters, type Parameter, type ParameterKind } from "./parameters.js";
export { learningRate, type Schedule, type ScheduleTime } from "./schedule.js";
export type { Loss } from "./step-graph.js";
export { type TrainResult, train } from "./train.js";
