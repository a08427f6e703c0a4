export type { OpenedDataset } from "./data/open-types.js";
export { type OpenDatasetOptions, openDataset } from "./node/data.js";
export { diskFile, listFolder } from "./node/data-folder.js";
export { type Sharp, sharpDecoder } from "./node/data-sharp.js";
export { optimizedModel } from "./node/optimized-model.js";
