export type { OpenedDataset } from "./data/open-types.js";
export { readConstantInput } from "./node/constant-input.js";
export { type OpenDatasetOptions, openDataset } from "./node/data.js";
export { diskFile, listFolder } from "./node/data-folder.js";
export { type Sharp, sharpDecoder } from "./node/data-sharp.js";
export * from "./node/files.js";
export {
  externalBytesOf,
  parseModelFile,
  type ReadModelOptions,
  readModel,
  readModelBytes,
  readModelSync,
} from "./node/model-file.js";
export { optimizedModel } from "./node/optimized-model.js";
export { openTaskLabels } from "./node/task-labels.js";
export {
  EXTERNAL_DATA,
  type ExternalData,
  type ModelFile,
  type ModelFilesOptions,
  modelFiles,
  WRITE_MODEL_DEFAULTS,
  type WriteModelOptions,
  writeModel,
} from "./node/write-model.js";
