import type {
  AdviceReport,
  EqualizeReport,
  FloatSearch,
  FloatTarget,
  InspectReport,
  OutputError,
  PreprocessingGuess,
  PruneMethod,
  QuantizationDetails,
  RecipeStep,
  StatisticsRow,
  StepEffect,
  ValidationReport,
  Verification,
} from "@equant/core/lab";
import type { EqualizationSection, HistogramRow, LayerWeights, MsbRow, PruningSection, Report } from "@equant/report";
import type { Problem } from "./problem.js";
import type { DataPlan } from "./recipe/recipe.js";

/** A file with its place in what was dropped; a File is handed over by reference, not copied. */
export interface PlacedFile {
  readonly path: string;
  readonly blob: Blob;
}

/** Where the model comes from; `main` is the ONNX file, the others its external data. */
export interface ModelSource {
  readonly name: string;
  readonly main: string;
  readonly files: readonly PlacedFile[];
}

/** Where samples come from: the embedded digits, or files. */
export type DataSource =
  | { readonly kind: "digits" }
  | { readonly kind: "files"; readonly name: string; readonly files: readonly PlacedFile[] };

/** A layer with weights, before any run. */
export interface LayerSummary {
  readonly name: string;
  readonly opType: string;
  readonly shape: readonly number[];
  readonly parameters: number;
  readonly bytes: number;
  readonly macs: number | null;
  readonly spread: number;
  readonly deadChannels: number;
  readonly lostChannels: number;
  readonly min: number;
  readonly max: number;
  /** Weight SQNR in dB as int8, one scale a tensor and one a channel: what rounding the weights does, no data needed. */
  readonly weightDb: { readonly perTensor: number; readonly perChannel: number };
}

/** What is known of a model once it is open. */
export interface ModelSummary {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly inspect: InspectReport;
  readonly layers: readonly LayerSummary[];
  /** Weights by channel, with the int8 scale of the tensor: of the layer that rounding hurts most, those of the others come later. */
  readonly weights: readonly LayerWeights[];
  readonly msb: readonly MsbRow[];
  /** Shape of one sample; empty sizes are open. */
  readonly inputShape: readonly number[];
}

/** A sample as the model sees it, scaled to 0–255. */
export interface Thumbnail {
  readonly id: string;
  readonly label: string | null;
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** What is known of the data. */
export interface DataSummary {
  readonly name: string;
  readonly sha256: string;
  readonly format: string;
  readonly total: number;
  readonly calibrate: number;
  readonly validate: number;
  /** True when there were too few samples to keep some apart. */
  readonly shared: boolean;
  readonly labelled: boolean;
  readonly classes: readonly string[] | null;
  readonly classCounts: readonly number[] | null;
  readonly notes: readonly string[];
  readonly preprocessed: boolean;
  readonly thumbnails: readonly Thumbnail[];
}

/** The float model on a few samples, and the tensor it was fed. */
export interface DataCheck {
  readonly samples: readonly {
    readonly thumbnail: Thumbnail;
    readonly label: string | null;
    readonly correct: boolean | null;
    readonly top: readonly { readonly name: string; readonly value: number }[];
  }[];
  readonly tensor: { readonly mean: number; readonly std: number; readonly min: number; readonly max: number };
  /** The output is one number a class. */
  readonly isClassifier: boolean;
}

/** Values of the activations, counted on a few samples. */
export interface ObservedValues {
  /** Exponents. */
  readonly msb: readonly MsbRow[];
  /** Values of each activation and the range every chooser would pick. */
  readonly histograms: readonly HistogramRow[];
}

/** Statistics of values, as far as they are. */
export interface CalibrationSummary {
  readonly samples: number;
  readonly complete: boolean;
  readonly rows: readonly StatisticsRow[];
  /** Null until they were counted, which comes after. */
  readonly observed: ObservedValues | null;
  readonly convergence: { readonly curve: number[]; readonly stableAfter: number } | null;
  /** calibration.json */
  readonly text: string;
}

/** Equalization of a copy, nothing quantized. */
export interface EqualizePreview {
  readonly report: EqualizeReport;
  readonly weights: readonly LayerWeights[];
  readonly section: EqualizationSection;
}

/** A pruned copy of the model. */
export interface PrunedNetwork {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly iterations: readonly {
    readonly iteration: number;
    readonly target: number;
    readonly sparsity: number;
    readonly accuracy: number | null;
  }[];
  readonly section: PruningSection;
}

/** An executed recipe. */
export interface RunOutcome {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly floatBytes: Uint8Array<ArrayBuffer>;
  readonly steps: readonly StepEffect[];
  readonly details: QuantizationDetails;
  readonly verification: Verification;
  readonly calibration: string;
  readonly stableAfter: number | null;
  readonly samples: number;
  readonly ms: number;
}

/** A small picture of magnitudes. */
export interface HeatMap {
  readonly width: number;
  readonly height: number;
  readonly cells: Float32Array;
  readonly max: number;
}

/** First answers, largest output first; empty where the output is not one number a class. */
export interface Answer {
  readonly top: readonly { readonly name: string; readonly value: number }[];
}

/** A layer's output for one sample in two networks, mean magnitude over the channels. */
export interface Activation {
  readonly layer: string;
  readonly sqnrDb: number;
  readonly float: HeatMap;
  readonly quantized: HeatMap;
  readonly difference: HeatMap;
}

/** One sample in the float and in the quantized network. */
export interface SampleComparison {
  readonly id: string;
  readonly label: string | null;
  readonly thumbnail: Thumbnail | null;
  readonly float: Answer;
  readonly quantized: Answer;
  /** Null: no layer was asked for, or not both networks have its output. */
  readonly activation: Activation | null;
}

/** Samples behind a cell of the confusions. */
export interface ConfusedSamples {
  readonly truth: number;
  readonly answer: number;
  /** Samples of the true class. */
  readonly searched: number;
  readonly found: number;
  readonly samples: readonly {
    readonly id: string;
    readonly thumbnail: Thumbnail | null;
    /** What the float network answers. */
    readonly before: string;
  }[];
}

/** What float networks run on: WebAssembly on the processor, or the graphics card. */
export type AppProvider = "wasm" | "webgpu";

/** Who was found to run them. */
export interface Provided {
  readonly provider: AppProvider;
  /** Why it is not the one that was asked for. */
  readonly refused: string | null;
}

/** What the page runs on. */
export interface Environment extends Provided {
  readonly threads: number;
  readonly isolated: boolean;
}

/** Every call the page makes of its worker. */
export interface Calls {
  /** Loads core, and the runtime where it is not the processor's. */
  warm(params: { provider: AppProvider }): Environment;
  openModel(params: { source: ModelSource }): ModelSummary;
  /** Weights by channel of all layers but these. */
  weights(params: { except: readonly string[] }): LayerWeights[];
  /** Runs the model once on zeros: sizes of all values, and with them operations. */
  inspect(params: Record<string, never>): InspectReport;
  openData(params: { source: DataSource; plan: DataPlan }): DataSummary;
  check(params: Record<string, never>): DataCheck;
  /** The preprocessing that the network remembers; null where nothing was asked of files. */
  guess(params: { source: DataSource; plan: DataPlan }): PreprocessingGuess | null;
  calibrate(params: { steps: readonly RecipeStep[] }): CalibrationSummary;
  useCalibration(params: { text: string }): CalibrationSummary;
  /** Counts activations with the types that the recipe and this calibration.json give them. */
  observe(params: { text: string; steps: readonly RecipeStep[] }): ObservedValues;
  previewEqualize(params: { steps: readonly RecipeStep[] }): EqualizePreview;
  execute(params: { id: string; steps: readonly RecipeStep[]; calibration: string | null }): RunOutcome;
  /** The report of the run; `id` names it among those the worker still holds. */
  report(params: { id: string; steps: readonly RecipeStep[]; calibration: string }): Report;
  validate(params: { bytes: Uint8Array<ArrayBuffer> }): ValidationReport;
  /** Layers of the run to leave in float so that the target holds. */
  fixIt(params: { id: string; steps: readonly RecipeStep[]; calibration: string; target: FloatTarget }): FloatSearch;
  advise(params: { id: string; steps: readonly RecipeStep[]; calibration: string }): AdviceReport;
  compareSample(params: {
    bytes: Uint8Array<ArrayBuffer>;
    floatBytes: Uint8Array<ArrayBuffer>;
    id: string;
    layer: string | null;
  }): SampleComparison;
  findConfused(params: { bytes: Uint8Array<ArrayBuffer>; truth: number; answer: number }): ConfusedSamples;
  prune(params: {
    method: PruneMethod;
    granularity: "weights" | "channels";
    sparsity: number;
    steps: number;
  }): PrunedNetwork;
  /** report.html of a report. */
  page(params: { report: Report }): string;
  verify(params: { bytes: Uint8Array<ArrayBuffer> }): { samples: number; error: OutputError };
}
export type CallName = keyof Calls;
export type Params<N extends CallName> = Parameters<Calls[N]>[0];
export type Result<N extends CallName> = ReturnType<Calls[N]>;

/** Progress of a call; `part` are results so far. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly part?: unknown;
  /** A phase ended, and what to say of it. */
  readonly note?: string;
  readonly ms?: number;
}

/** Page to worker. */
export type Request =
  | { readonly type: "call"; readonly id: number; readonly name: CallName; readonly params: unknown }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "pause"; readonly paused: boolean };

/** Worker to page. */
export type Reply =
  | { readonly type: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly type: "done"; readonly id: number; readonly result: unknown }
  | { readonly type: "failed"; readonly id: number; readonly problem: Problem };
