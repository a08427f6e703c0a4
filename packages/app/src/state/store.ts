import type { PreprocessingGuess, ValidationReport } from "@equant/core/lab";
import type { Report } from "@equant/report";
import { computed, signal } from "@preact/signals";
import type { Problem } from "../problem.js";
import type {
  CalibrationSummary,
  CallName,
  DataCheck,
  DataSource,
  DataSummary,
  Environment,
  EqualizePreview,
  ModelSource,
  ModelSummary,
  RunOutcome,
} from "../protocol.js";
import { type History, history } from "../recipe/history.js";
import { DEFAULT_RECIPE, type Recipe } from "../recipe/recipe.js";
import type { ScreenId } from "./screens.js";

/** An executed recipe; never changed. */
export interface Run {
  /** First digits of the hash of recipe, model and data. */
  readonly id: string;
  readonly recipe: Recipe;
  readonly model: { readonly name: string; readonly sha256: string; readonly bytes: number };
  readonly data: { readonly name: string; readonly sha256: string };
  readonly outcome: RunOutcome;
}

/** What was measured of a run afterwards. */
export interface Measures {
  readonly report?: Report;
  readonly validation?: ValidationReport;
}

/** A call in progress, as the bar at the top shows it. */
export interface Activity {
  readonly call: CallName;
  readonly screen: ScreenId;
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly since: number;
  readonly phaseSince: number;
  readonly canPause: boolean;
  readonly paused: boolean;
  readonly cancel: () => void;
}

export interface LogLine {
  readonly id: number;
  readonly text: string;
  readonly ms: number | null;
}

/** A value with the key of what it was made for; a different key now means it is stale. */
export interface Keyed<T> {
  readonly key: string;
  readonly value: T;
}

export const recipes = signal<History<Recipe>>(history(DEFAULT_RECIPE));
export const recipe = computed(() => recipes.value.present);

export const modelSource = signal<ModelSource | null>(null);
export const model = signal<ModelSummary | null>(null);
export const dataSource = signal<DataSource | null>(null);
export const data = signal<Keyed<DataSummary> | null>(null);
export const check = signal<Keyed<DataCheck> | null>(null);
/** What the network remembers of its preprocessing. */
export const guess = signal<PreprocessingGuess | null>(null);
export const calibration = signal<Keyed<CalibrationSummary> | null>(null);
export const liveRanges = signal<readonly { name: string; min: number; max: number }[]>([]);
export const equalization = signal<Keyed<EqualizePreview> | null>(null);
export const runs = signal<readonly Run[]>([]);
export const measures = signal<Readonly<Record<string, Measures>>>({});
export const currentRunId = signal<string | null>(null);
export const pinned = signal<{ readonly a: string | null; readonly b: string | null }>({ a: null, b: null });

/** Hash of the model that was pruned last. */
export const prunedModel = signal<string | null>(null);

export const activity = signal<Activity | null>(null);
export const problem = signal<Problem | null>(null);
export const failedScreen = signal<ScreenId | null>(null);
export const log = signal<readonly LogLine[]>([]);
export const announcement = signal("");
export const screen = signal<ScreenId>("start");
/** The layer that graph, table, charts and inspector show: a node's name. */
export const selectedLayer = signal<string | undefined>(undefined);
export const environment = signal<Environment | null>(null);

export const currentRun = computed(() => runs.value.find(({ id }) => id === currentRunId.value) ?? null);
export const currentMeasures = computed(() => measures.value[currentRunId.value ?? ""] ?? {});
