/** One operator call of a graph, reduced to what the graph view draws. Plain data: it may cross to a worker. */
export interface SummaryNode {
  /** Unique in the graph; also what the shared selection holds. */
  readonly id: string;
  /** What a person calls the node. */
  readonly name: string;
  readonly opType: string;
  /** Value names; "" is an absent optional input. Constants may be listed: without a producer they make no edge. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Bytes of the constants that only this node counts. Default: 0. */
  readonly weightBytes?: number;
  /** Multiply-accumulates for one input. Default: 0. */
  readonly macs?: number;
  /** Bits of the weight as stored. Undefined for a node without a weight. */
  readonly bits?: number;
  /** Share of zero weights, 0–1. */
  readonly sparsity?: number;
  /** Signal to quantization noise of the output, dB. */
  readonly sqnrDb?: number;
}

/** A network as the graph view reads it; edges follow from the value names. */
export interface GraphSummary {
  readonly name?: string;
  readonly nodes: readonly SummaryNode[];
  /** Value names of graph inputs and outputs: drawn as terminals. */
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
}

/** What colours the cards. */
export type OverlayMetric = "none" | "sqnr" | "bits" | "size" | "sparsity" | "macs";

/** An overlay and, where the summary does not have them, its values by node id (dB, bits, bytes, 0–1, MACs). */
export interface Overlay {
  readonly metric: OverlayMetric;
  readonly values?: Readonly<Record<string, number>>;
  /** Level of honesty, printed in the legend: predicted, sampled or measured. */
  readonly basis?: "predicted" | "sampled" | "measured";
}

export type CardKind = "input" | "output" | "node" | "chain" | "block";

/** What is drawn as one box: a node, a chain around one node, or one occurrence of a repeated block. */
export interface Card {
  readonly id: string;
  readonly kind: CardKind;
  /** Ids of the nodes inside, in graph order; empty for a terminal. */
  readonly nodeIds: readonly string[];
  /** The node that stands for the card in the shared selection; the card's own id for a terminal. */
  readonly main: string;
  readonly title: string;
  readonly subtitle: string;
  /** Equal for cards with the same operators connected in the same way. */
  readonly hash: string;
  /** The folded card that this one came out of, when it can be folded back. */
  readonly parent?: string;
  /** Which occurrence of a repeated block this is, from 1, and of how many. */
  readonly occurrence?: number;
  readonly occurrences?: number;
}

/** Cards in topological order; edges are indices into them, each pair once. */
export interface FoldedGraph {
  readonly cards: readonly Card[];
  readonly edges: readonly (readonly [from: number, to: number])[];
  /** Card index by node id and by card id. */
  readonly cardOf: ReadonlyMap<string, number>;
  /** Hash of the structure: equal graphs of cards have equal positions. */
  readonly hash: string;
}

/** Positions in world units (one unit is one CSS pixel at 100 %): centres of cards, and polylines of edges. */
export interface GraphLayout {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Layer of each card, from 0 at the inputs. */
  readonly rows: Int32Array;
  /**
   * x0, y0, x1, y1, … from the bottom of the producer to the top of the consumer, in the order of the edges. They lead
   * down, but for those from the foot of one column to the head of the next.
   */
  readonly lines: readonly Float64Array[];
  readonly width: number;
  readonly height: number;
  readonly method: "layered" | "longest-path";
}

/** Size of every card and the gaps between them, in world units. One size: positions follow from structure alone. */
export const CARD = { width: 184, height: 62, gapX: 28, gapY: 40 } as const;

/** Baselines of a card's lines from its top, and how far text stays from its sides, in world units. */
export const CARD_TEXT = { title: 20, subtitle: 36, value: 52, side: 10 } as const;
