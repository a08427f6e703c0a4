export { BATCH_DEFAULTS, type Batch, type BatchOptions, batches } from "./batches.js";
export { concatDatasets } from "./concat.js";
export { blobFile, type DataFile, memoryFile } from "./data-file.js";
export { type DataSource, type Dataset, type Sample, subset } from "./dataset.js";
export * from "./digits.js";
export type { ImagePlacement } from "./framing.js";
export { type DecodedImage, type ImageDecoder, toGray, toRgb } from "./image.js";
export { declaredSize, decodedSize, type ImageSize } from "./image-size.js";
export { ARCHIVE_LIMITS, type ArchiveLimits } from "./inflate.js";
export { imageTarget, type ModelInput } from "./input.js";
export { keepSamples } from "./keep-samples.js";
export { checkLabels } from "./labels.js";
export { openFiles } from "./open-files.js";
export type { OpenedDataset, OpenOptions } from "./open-types.js";
export { plainInput } from "./plain-input.js";
export {
  type ColorOrder,
  channelScaling,
  createPreprocessor,
  IMAGE_FITS,
  type ImageFit,
  type ImageLayout,
  type ImageTarget,
  PRESETS,
  type PreprocessOptions,
  type Preprocessor,
  type PresetName,
} from "./preprocess.js";
export { PREPROCESSOR_CONFIG, readPreprocessorConfig } from "./preprocessor-config.js";
export { type RandomRange, randomDataset, randomRange } from "./random-dataset.js";
export { randomRecords } from "./random-records.js";
export { resizeBicubic } from "./resize.js";
export { shuffled, splitByClass, spread } from "./split.js";
export { type EncodedText, openTextLines, type Tokenize } from "./text-lines.js";
export type * from "./truth.js";
export type { Resample, SoundOptions } from "./wave-file.js";
export { openZip } from "./zip.js";
