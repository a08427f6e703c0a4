/** What other tools read beside, or instead of, a Q/DQ file. */
export const EXPORTS = [
  "aimet",
  "tensorrt-cache",
  "tensorrt-ranges",
  "ort-calibration",
  "openvino",
  "c-header",
] as const;
export type ExportName = (typeof EXPORTS)[number];
