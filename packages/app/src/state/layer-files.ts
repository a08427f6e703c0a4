import type { Report } from "@equant/report";
import { tableCsv } from "../charts/table-csv.js";

/** All layers with their figures as CSV. */
export function layersCsv({ layers, sqnr }: Report): string {
  const ratios = new Map(sqnr?.layers.map((layer) => [layer.layer, layer]));
  const columns = [
    "layer",
    "operator",
    "shape",
    "parameters",
    "bytes before",
    "bytes after",
    "bits",
    "local dB",
    "cumulative dB",
    "weights dB",
    "predicted dB",
  ];
  const rows = layers.map(({ name, opType, shape, parameters, bytesBefore, bytesAfter, bits }) => {
    const own = ratios.get(name);
    return [
      name,
      opType,
      shape.join("x"),
      parameters,
      bytesBefore,
      bytesAfter,
      bits,
      own?.local.both ?? null,
      own?.cumulative?.both ?? null,
      own?.local.weights ?? null,
      own?.predicted.refined.both ?? null,
    ];
  });
  return tableCsv({ columns, rows });
}

/** Node data of Model Explorer: SQNR by node name, coloured below 20, 30 and 40 dB. */
export function nodeData({ sqnr }: Report): object {
  const results = Object.fromEntries((sqnr?.layers ?? []).map(({ layer, local }) => [layer, { value: local.both }]));
  return {
    results,
    thresholds: [
      { value: 20, bgColor: "#d55e00" },
      { value: 30, bgColor: "#e69f00" },
      { value: 40, bgColor: "#56b4e9" },
      { value: 300, bgColor: "#009e73" },
    ],
  };
}
