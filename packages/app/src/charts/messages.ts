import type { ChartId, ChartTable } from "@equant/report";

/** What a page shows of a chart. */
export interface DrawnChart {
  readonly svg: string;
  readonly title: string;
  readonly unit: string;
  readonly summary: string;
  readonly table: ChartTable;
  /** Width it was drawn in, px: at least what can be read. */
  readonly width: number;
}

/** To the worker that draws. `standalone`: as a file, with its style sheet. */
export interface DrawRequest {
  readonly id: number;
  readonly name: ChartId;
  readonly args: readonly unknown[];
  readonly width: number;
  readonly standalone: boolean;
}

export type DrawReply =
  | { readonly id: number; readonly chart: DrawnChart | null; readonly css: string }
  | { readonly id: number; readonly error: string };
