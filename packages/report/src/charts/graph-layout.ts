/** A card of the network view: a node with the activations fused behind it. */
export interface Card {
  readonly name: string;
  readonly opType: string;
  /** Operators in the card, the node's own first. */
  readonly operators: readonly string[];
  /** Positions of the cards it reads. */
  readonly inputs: readonly number[];
  readonly parameters: number;
  /** Row from the top, and place in the row. */
  readonly row: number;
  readonly column: number;
}

export interface GraphLayout {
  readonly cards: readonly Card[];
  readonly rows: number;
  /** Most cards of a row. */
  readonly columns: number;
}

interface Node {
  readonly name: string;
  readonly opType: string;
  readonly inputs: readonly number[];
  readonly parameters: number;
}

const FUSED = new Set([
  "Relu",
  "Clip",
  "Min",
  "Max",
  "LeakyRelu",
  "PRelu",
  "Sigmoid",
  "HardSwish",
  "BatchNormalization",
]);

/**
 * Rows by the longest path from an input; in a row, cards in the order of the mean place of what they read. Activations
 * with one input that nobody else reads go into the card before them. Nodes must be in topological order.
 */
export function layoutGraph(nodes: readonly Node[]): GraphLayout {
  const readers = new Array<number>(nodes.length).fill(0);
  for (const { inputs } of nodes) for (const input of inputs) readers[input] = readers[input]! + 1;
  const cardOf = new Array<number>(nodes.length).fill(0);
  const cards: {
    node: Node;
    operators: string[];
    inputs: number[];
    parameters: number;
    row: number;
    column: number;
  }[] = [];
  nodes.forEach((node, at) => {
    const [before] = node.inputs;
    if (node.inputs.length === 1 && FUSED.has(node.opType) && before! < at && readers[before!] === 1) {
      const card = cards[cardOf[before!]!]!;
      card.operators.push(node.opType);
      card.parameters += node.parameters;
      cardOf[at] = cardOf[before!]!;
      return;
    }
    const inputs = [...new Set(node.inputs.filter((input) => input < at).map((input) => cardOf[input]!))];
    const row = inputs.reduce((deepest, input) => Math.max(deepest, cards[input]!.row + 1), 0);
    cardOf[at] = cards.length;
    cards.push({ node, operators: [node.opType], inputs, parameters: node.parameters, row, column: 0 });
  });
  const rows = cards.reduce((most, { row }) => Math.max(most, row + 1), 0);
  let columns = 0;
  for (let row = 0; row < rows; row++) {
    const own = cards.filter((card) => card.row === row);
    const place = ({ inputs }: (typeof cards)[number]) =>
      inputs.length === 0 ? 0 : inputs.reduce((sum, input) => sum + cards[input]!.column, 0) / inputs.length;
    own.sort((a, b) => place(a) - place(b));
    own.forEach((card, at) => {
      card.column = at - (own.length - 1) / 2;
    });
    columns = Math.max(columns, own.length);
  }
  return {
    cards: cards.map(({ node, ...card }) => ({ ...card, name: node.name, opType: node.opType })),
    rows,
    columns,
  };
}
