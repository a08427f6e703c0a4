import type { HostTensor, Signature } from "../graph/index.js";
import type { DataFile } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import type { ImageDecoder } from "./image.js";
import type { ModelInput } from "./input.js";
import type { PreprocessOptions } from "./preprocess.js";
import type { Tokenize } from "./text-lines.js";
import type { SoundOptions } from "./wave-file.js";

/** Options for `openFiles`. */
export interface OpenOptions extends SoundOptions {
  /** The model input that images and plain arrays are made for; of sizes that are 0 the data decide. Default: that of {@link signature}. */
  readonly input?: ModelInput | undefined;
  /** What the network takes, for several inputs, integers, states, open sizes, no batch dimension. Default: {@link input} alone. */
  readonly signature?: Signature;
  /** Inputs that are the same in all samples: states, tables. */
  readonly constants?: Readonly<Record<string, HostTensor>>;
  /** Makes tokens of text. */
  readonly tokenize?: Tokenize;
  /** For images and uint8 arrays. Default: pixels 0–255 as they are, at the input's size. */
  readonly preprocess?: PreprocessOptions;
  /** `'auto'`: labels.csv, else one folder a class, else what the format brings. A file: that table or array. Default: `'auto'`. */
  readonly labels?: "auto" | "folders" | "none" | DataFile;
  /** A class list from outside the data, taken only where the data has no `classes.csv` and this one covers every label. */
  readonly nearbyClasses?: DataFile;
  /** Decoder of image files. */
  readonly decode?: ImageDecoder;
  /** Take this many samples, spread evenly. Default: all. */
  readonly samples?: number;
  /** For bare float32 files: numbers from one sample's start to the next. Default: one sample. */
  readonly stride?: number;
  /** Path of the one file to open, among files that may only bring its labels. Default: all files are the data. */
  readonly main?: string;
  /** What the data is called in messages. Default: `'data'`. */
  readonly name?: string;
}

/** Options of images and arrays of a plain input. */
export type PlainOptions = OpenOptions & { readonly input: ModelInput };

/** A dataset with what a person wants to know about where it came from. */
export interface OpenedDataset extends Dataset {
  /** For people: `class folders`, `labels.csv`, `images`, `NPY`, `IDX`, … */
  readonly format: string;
  /** Samples there were before `samples` chose among them. */
  readonly total: number;
  /** False when the numbers were taken as they are and preset, mean and std did not apply. */
  readonly preprocessed: boolean;
  /** What was left out or assumed, one sentence each. */
  readonly notes: readonly string[];
}

/** What `openImages` and the array readers hand back, before samples are chosen. */
export interface OpenedPart {
  readonly dataset: Dataset;
  readonly format: string;
  readonly preprocessed: boolean;
  readonly notes: readonly string[];
}
