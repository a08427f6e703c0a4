import { ModelError } from "../errors.js";
import {
  type Attribute,
  createNode,
  type Dim,
  DTYPE_CODES,
  type DType,
  type Graph,
  GraphBuilder,
  int,
  ints,
  labelOf,
  type Model,
  type Node,
  sizeOf,
  Tensor,
} from "../graph/index.js";
import { type KnownShapes, VARIES } from "./known-shapes.js";

const FLOATS: ReadonlySet<DType> = new Set(["float32", "float64", "float16", "bfloat16"]);

/**
 * The gradient rule of an operator: given the gradients of a node's outputs (undefined: the loss does not depend on
 * that output), appends nodes and returns the gradients of its inputs, in input order; undefined where none is needed.
 */
export type GradientRule = (
  node: Node,
  gradients: readonly (string | undefined)[],
  context: GradientContext,
) => (string | undefined)[];

/** What rules build with: nodes, constants, shapes, and what is known about the values of the forward graph. */
export class GradientContext {
  readonly graph: Graph;
  readonly opset: number;
  readonly #builder: GraphBuilder;
  readonly #shapes: Map<string, { dtype: DType; dims: readonly number[] }>;
  readonly #needed: ReadonlySet<string>;
  readonly #cache = new Map<string, string>();
  readonly #constants = new Map<string, Tensor>();
  #prefix = "";

  /** Rounding counts as the identity. */
  readonly straightThrough: boolean;
  readonly #observed: boolean;

  /** @param how `observed`: the shapes were seen in runs, where dimensions that vary vary together, with the batch. */
  constructor(
    model: Model,
    needed: ReadonlySet<string>,
    shapes: KnownShapes,
    how: { readonly observed: boolean; readonly straightThrough: boolean },
  ) {
    this.#observed = how.observed;
    this.straightThrough = how.straightThrough;
    this.graph = model.graph;
    this.opset = model.opsets.get("") ?? 0;
    this.#builder = new GraphBuilder(model.graph);
    this.#needed = needed;
    this.#shapes = new Map(shapes);
    for (const node of model.graph.nodes) {
      const value = node.opType === "Constant" ? node.attributes.get("value") : undefined;
      if (value?.type === "tensor") this.#constants.set(node.outputs[0]!, value.value);
    }
  }

  /** Names of nodes appended from here on begin with the node they belong to, so that profiles can be read. */
  startNode(node: Node | undefined): void {
    this.#prefix = node ? `grad/${labelOf(node)}/` : "grad/";
  }

  /** True when the loss's gradient with respect to `value` is asked for, or leads to one that is. */
  needs(value: string | undefined): value is string {
    return value !== undefined && this.#needed.has(value);
  }

  /** Appends a node and returns its first output. */
  op(opType: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.#builder.node(opType, inputs, attributes, { name: this.#prefix + opType });
  }

  /** Appends a node with several outputs. */
  ops(opType: string, inputs: readonly string[], attributes: Record<string, Attribute>, outputs: number): string[] {
    return this.#builder.nodes(opType, inputs, attributes, { name: this.#prefix + opType, outputs }).outputs;
  }

  /** A fresh value name, for an output added to a node of the forward graph. */
  newValue(name: string): string {
    return this.#builder.names.allocate(name);
  }

  /** Gives a value another name, `name_1`, … if that is taken; returns the name. */
  rename(value: string, name: string): string {
    const allocated = this.#builder.names.allocate(name);
    this.graph.nodes.push(createNode({ opType: "Identity", inputs: [value], outputs: [allocated], name: allocated }));
    return allocated;
  }

  /** A constant tensor. */
  constant(value: Tensor): string {
    return this.#builder.constant(value, "grad/constant");
  }

  /** A scalar of the element type of `like`; the same constant serves all callers. */
  scalar(value: number, like: string): string {
    const dtype = this.dtype(like);
    return this.#cached(`scalar ${dtype} ${Object.is(value, -0) ? "-0" : value}`, () => {
      if (dtype === "float64") return this.constant(Tensor.of("float64", [], Float64Array.of(value)));
      if (dtype === "float32") return this.constant(Tensor.scalar(value));
      // ONNX converts better than we would: float16 has no arithmetic in JavaScript.
      return this.cast(this.constant(Tensor.scalar(value)), like);
    });
  }

  /** A vector of int64, as axes, sizes and pads are passed. */
  int64(values: readonly number[]): string {
    return this.#cached(`int64 ${values.join()}`, () => this.constant(Tensor.int64([values.length], values)));
  }

  /** Element type of a value; float32 where nothing is known. */
  dtype(value: string): DType {
    return this.#shapes.get(value)?.dtype ?? "float32";
  }

  /** Shape of a value of the forward graph, {@link VARIES} where a dimension is free; undefined when the rank is unknown. */
  dims(value: string): readonly number[] | undefined {
    return this.#shapes.get(value)?.dims;
  }

  /** Sizes of axes of a value, when all are known and fixed. */
  fixedDims(value: string, from = 0, to?: number): readonly number[] | undefined {
    const dims = this.dims(value)?.slice(from, to);
    return dims?.every((dim) => dim >= 0) ? dims : undefined;
  }

  /** Shape of a value as a graph output declares it. */
  outputShape(value: string): Dim[] | undefined {
    return this.dims(value)?.map((dim) => (dim < 0 ? undefined : dim));
  }

  /** As {@link dims}. @throws {ModelError} E4001 naming the node when the rank is unknown. */
  knownDims(value: string, node: Node): readonly number[] {
    const dims = this.dims(value);
    if (dims) return dims;
    throw new ModelError(
      "E4001",
      `differentiate: the rank of "${value}" is unknown, node "${labelOf(node)}" (${node.opType})`,
      {
        node: labelOf(node),
        opType: node.opType,
        tensor: value,
        hint: "pass shapes: await observeBatchShapes(runner, model)",
      },
    );
  }

  /** Records the shape of a value a rule made, for helpers that are called with it. */
  describe(value: string, like: string, dims: readonly number[]): string {
    this.#shapes.set(value, { dtype: this.dtype(like), dims });
    return value;
  }

  /** Records that a value has the type and shape of another, as a gradient has. */
  describeAs(value: string, like: string): string {
    const known = this.#shapes.get(like);
    // The gradient of a quantized value is a real number.
    if (known) this.#shapes.set(value, FLOATS.has(known.dtype) ? known : { ...known, dtype: "float32" });
    return value;
  }

  /** A constant's value: an initializer's, or a Constant node's. */
  constantOf(value: string | undefined): Tensor | undefined {
    if (value === undefined || value === "") return undefined;
    const initializer = this.graph.initializers.get(value);
    if (initializer) return initializer;
    return this.#constants.get(value);
  }

  /** The shape of a value as an int64 vector: a constant where it is fixed, a Shape node otherwise. */
  shape(value: string): string {
    const fixed = this.fixedDims(value);
    return fixed ? this.int64(fixed) : this.#cached(`shape ${value}`, () => this.op("Shape", [value]));
  }

  /** Size of one axis as an int64 vector of one element. */
  axisSize(value: string, axis: number): string {
    const dim = this.dims(value)?.at(axis);
    if (dim !== undefined && dim >= 0) return this.int64([dim]);
    return this.op("Gather", [this.shape(value), this.int64([axis])], { axis: int(0) });
  }

  /** `value` in the shape of `like`, which has as many elements. */
  reshapeLike(value: string, like: string): string {
    const dims = this.dims(like);
    const free = dims?.filter((dim) => dim < 0).length ?? 2;
    const shape = dims && free <= 1 && !dims.includes(0) ? this.int64(dims) : this.shape(like);
    return this.op("Reshape", [value, shape]);
  }

  /** A tensor filled with a number, in the shape of `like`. */
  fill(number: number, like: string): string {
    const dtype = this.dtype(like);
    const data = dtype === "float64" ? Float64Array.of(number) : Float32Array.of(number);
    const value = Tensor.of(dtype === "float64" ? "float64" : "float32", [1], data);
    const filled = this.op("ConstantOfShape", [this.shape(like)], { value: { type: "tensor", value } });
    if (dtype === "float32" || dtype === "float64") return filled;
    return this.cast(filled, like);
  }

  /** ReduceSum, ReduceMean, … over constant axes, in the form that the model's opset has. Without axes: over all. */
  reduce(opType: string, value: string, axes: readonly number[] | undefined, keepdims = true): string {
    const attributes = { keepdims: int(keepdims ? 1 : 0) };
    if (!axes) return this.op(opType, [value], attributes);
    if (opType === "ReduceSum" || this.opset >= 18) return this.op(opType, [value, this.int64(axes)], attributes);
    return this.op(opType, [value], { ...attributes, axes: ints(axes) });
  }

  /** Conversion to the element type of `like`. */
  cast(value: string, like: string): string {
    return this.op("Cast", [value], { to: int(DTYPE_CODES[this.dtype(like)]) });
  }

  /** Sum of values of one shape. */
  sum(values: readonly string[]): string {
    if (values.length === 1) return values[0]!;
    return this.op(values.length === 2 ? "Add" : "Sum", values);
  }

  /**
   * Undoes broadcasting: `gradient`, which has the shape of `from`, summed down to the shape of `target`.
   * Where shapes are not known before, the axes are found at run time.
   */
  unbroadcast(gradient: string, from: string, target: string): string {
    const out = this.dims(from);
    const dims = this.dims(target);
    if (!out || !dims) return this.#unbroadcastAtRunTime(gradient, target);
    const lead = out.length - dims.length;
    const axes: number[] = [];
    for (const [axis, size] of out.entries()) {
      const own = axis < lead ? undefined : dims[axis - lead]!;
      if (own === undefined || (own === 1 && size !== 1)) axes.push(axis);
      // Of a free and a fixed dimension the free one may be 1 or not: only the run knows.
      else if (own !== size || (own < 0 && !this.#observed)) return this.#unbroadcastAtRunTime(gradient, target);
    }
    if (axes.length === 0) return gradient;
    // Reducing all axes of a scalar target, or leading ones only, needs no reshape.
    if (axes.every((axis) => axis < lead)) return this.reduce("ReduceSum", gradient, axes, false);
    const reduced = this.reduce("ReduceSum", gradient, axes);
    return lead === 0 ? reduced : this.reshapeLike(reduced, target);
  }

  #unbroadcastAtRunTime(gradient: string, target: string): string {
    const out = this.op("Shape", [gradient]);
    const own = this.shape(target);
    const missing = this.op("Sub", [this.op("Shape", [out]), this.op("Shape", [own])]);
    const ones = this.op("ConstantOfShape", [missing], {
      value: { type: "tensor", value: Tensor.of("int64", [1], BigInt64Array.of(1n)) },
    });
    const padded = this.op("Concat", [ones, own], { axis: int(0) });
    const differs = this.op("Not", [this.op("Equal", [padded, out])]);
    const axes = this.op("Reshape", [this.op("NonZero", [differs]), this.int64([-1])]);
    const reduced = this.op("ReduceSum", [gradient, axes], { keepdims: int(1), noop_with_empty_axes: int(1) });
    return this.op("Reshape", [reduced, own]);
  }

  /** Number of elements of some axes, as a scalar of the element type of `like`. */
  count(value: string, axes: readonly number[] | undefined, like: string): string {
    const dims = this.dims(value);
    const sizes = axes && dims ? axes.map((axis) => dims.at(axis)!) : dims;
    if (sizes?.every((size) => size >= 0)) return this.scalar(sizeOf(sizes), like);
    const shape = this.shape(value);
    const chosen = axes ? this.op("Gather", [shape, this.int64(axes)], { axis: int(0) }) : shape;
    const product = this.op("ReduceProd", [chosen], { keepdims: int(0) });
    return this.cast(product, like);
  }

  #cached(key: string, make: () => string): string {
    const found = this.#cache.get(key);
    if (found !== undefined) return found;
    const made = make();
    this.#cache.set(key, made);
    return made;
  }
}

/** @throws {ModelError} E4001 naming the node and what about it has no gradient. */
export function unsupported(node: Node, why: string, hint?: string): never {
  throw new ModelError("E4001", `differentiate: ${why}, node "${labelOf(node)}" (${node.opType})`, {
    node: labelOf(node),
    opType: node.opType,
    ...(hint && { hint }),
  });
}
