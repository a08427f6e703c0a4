/** Files that appear complete or not at all. */
export {
  atomicWrite as writeOutput,
  atomicWriteAll as writeOutputs,
  checkTarget as checkOutput,
  type FileData,
  type OutputFile,
  type WriteOptions,
  type WrittenFile,
} from "@equant/core/files";
