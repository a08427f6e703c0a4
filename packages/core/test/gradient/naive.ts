/** Naive float64 forward passes: what gradients are checked against. Slow and plain on purpose. */

export interface Dense {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export const sizeOf = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

export function dense(dims: readonly number[], value: (index: readonly number[]) => number): Dense {
  const data = new Float64Array(sizeOf(dims));
  for (let flat = 0; flat < data.length; flat++) data[flat] = value(unravel(flat, dims));
  return { dims, data };
}

export function unravel(flat: number, dims: readonly number[]): number[] {
  const index = Array<number>(dims.length).fill(0);
  let rest = flat;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    index[axis] = rest % dims[axis]!;
    rest = Math.floor(rest / dims[axis]!);
  }
  return index;
}

export function at(x: Dense, index: readonly number[]): number {
  let flat = 0;
  for (let axis = 0; axis < x.dims.length; axis++) flat = flat * x.dims[axis]! + index[axis]!;
  return x.data[flat]!;
}

export const map = (x: Dense, f: (value: number) => number): Dense => ({ dims: x.dims, data: x.data.map((v) => f(v)) });

/** Numpy broadcasting of any number of inputs. */
export function broadcast(inputs: readonly Dense[], f: (...values: number[]) => number): Dense {
  const rank = Math.max(...inputs.map(({ dims }) => dims.length));
  const padded = inputs.map(({ dims }) => [...Array<number>(rank - dims.length).fill(1), ...dims]);
  const dims = Array.from({ length: rank }, (_, axis) => Math.max(...padded.map((own) => own[axis]!)));
  return dense(dims, (index) => {
    const values = inputs.map((x, i) => {
      const own = index.map((position, axis) => (padded[i]![axis] === 1 ? 0 : position));
      return at({ dims: padded[i]!, data: x.data }, own);
    });
    return f(...values);
  });
}

/** Folds over axes; the reduced axes stay with size 1 when `keep`. `f` sees all values of a group. */
export function reduce(x: Dense, axes: readonly number[], keep: boolean, f: (values: number[]) => number): Dense {
  const positive = axes.map((axis) => (axis + x.dims.length) % x.dims.length);
  const kept = x.dims.map((dim, axis) => (positive.includes(axis) ? 1 : dim));
  const groups = Array.from({ length: sizeOf(kept) }, () => [] as number[]);
  for (let flat = 0; flat < x.data.length; flat++) {
    const index = unravel(flat, x.dims).map((position, axis) => (positive.includes(axis) ? 0 : position));
    let group = 0;
    for (let axis = 0; axis < kept.length; axis++) group = group * kept[axis]! + index[axis]!;
    groups[group]!.push(x.data[flat]!);
  }
  const dims = keep ? kept : x.dims.filter((_, axis) => !positive.includes(axis));
  return { dims, data: Float64Array.from(groups, f) };
}

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

export function transpose(x: Dense, perm: readonly number[]): Dense {
  return dense(
    perm.map((axis) => x.dims[axis]!),
    (index) =>
      at(
        x,
        perm.map((_, axis) => index[perm.indexOf(axis)]!),
      ),
  );
}

export const reshape = (x: Dense, dims: readonly number[]): Dense => ({ dims, data: x.data });

export function matMul(a: Dense, b: Dense): Dense {
  const left = a.dims.length === 1 ? reshape(a, [1, ...a.dims]) : a;
  const right = b.dims.length === 1 ? reshape(b, [...b.dims, 1]) : b;
  const rank = Math.max(left.dims.length, right.dims.length);
  const pad = (dims: readonly number[]) => [...Array<number>(rank - dims.length).fill(1), ...dims];
  const [l, r] = [reshape(left, pad(left.dims)), reshape(right, pad(right.dims))];
  const batch = l.dims.slice(0, -2).map((dim, axis) => Math.max(dim, r.dims[axis]!));
  const inner = l.dims.at(-1)!;
  const full = dense([...batch, l.dims.at(-2)!, r.dims.at(-1)!], (index) => {
    const pick = (x: Dense, row: number, column: number) =>
      at(x, [...index.slice(0, -2).map((p, axis) => (x.dims[axis] === 1 ? 0 : p)), row, column]);
    let total = 0;
    for (let k = 0; k < inner; k++) total += pick(l, index.at(-2)!, k) * pick(r, k, index.at(-1)!);
    return total;
  });
  let dims = [...full.dims];
  if (b.dims.length === 1) dims = dims.slice(0, -1);
  if (a.dims.length === 1) dims.splice(b.dims.length === 1 ? dims.length - 1 : dims.length - 2, 1);
  return reshape(full, dims);
}

export interface Window {
  kernel: number[];
  strides?: number[];
  dilations?: number[];
  pads?: number[];
  group?: number;
  ceil?: boolean;
}

function resolved(w: Window, inSizes: readonly number[]) {
  const rank = w.kernel.length;
  const strides = w.strides ?? Array<number>(rank).fill(1);
  const dilations = w.dilations ?? Array<number>(rank).fill(1);
  const pads = w.pads ?? Array<number>(2 * rank).fill(0);
  const out = w.kernel.map((k, axis) => {
    const span = inSizes[axis]! + pads[axis]! + pads[axis + rank]! - (k - 1) * dilations[axis]! - 1;
    let count = (w.ceil ? Math.ceil : Math.floor)(span / strides[axis]!) + 1;
    // A last window that would begin in the padding is dropped.
    if (w.ceil && (count - 1) * strides[axis]! >= inSizes[axis]! + pads[axis]!) count--;
    return count;
  });
  return { rank, strides, dilations, pads, out };
}

/** Calls `visit` with every kernel element of the window at `position`: its input position, and whether it lies inside. */
function eachTap(
  w: Window,
  inSizes: readonly number[],
  position: readonly number[],
  visit: (tap: number[], where: number[], inside: boolean) => void,
) {
  const { strides, dilations, pads } = resolved(w, inSizes);
  for (let flat = 0; flat < sizeOf(w.kernel); flat++) {
    const tap = unravel(flat, w.kernel);
    const where = tap.map((k, axis) => position[axis]! * strides[axis]! + k * dilations[axis]! - pads[axis]!);
    visit(
      tap,
      where,
      where.every((p, axis) => p >= 0 && p < inSizes[axis]!),
    );
  }
}

export function conv(x: Dense, w: Dense, bias: Dense | undefined, options: Omit<Window, "kernel">): Dense {
  const window = { ...options, kernel: [...w.dims.slice(2)] };
  const group = options.group ?? 1;
  const [outChannels, perGroup] = [w.dims[0]!, w.dims[1]!];
  const inSizes = x.dims.slice(2);
  return dense([x.dims[0]!, outChannels, ...resolved(window, inSizes).out], ([n, m, ...position]) => {
    const base = Math.floor(m! / (outChannels / group)) * perGroup;
    let total = bias?.data[m!] ?? 0;
    eachTap(window, inSizes, position, (tap, where, inside) => {
      if (!inside) return;
      for (let c = 0; c < perGroup; c++) total += at(x, [n!, base + c, ...where]) * at(w, [m!, c, ...tap]);
    });
    return total;
  });
}

/** Spreads every input element over the output: the definition, not the gradient of conv. */
export function convTranspose(
  x: Dense,
  w: Dense,
  bias: Dense | undefined,
  options: Omit<Window, "kernel"> & { outputPadding?: number[] },
): Dense {
  const kernel = w.dims.slice(2);
  const rank = kernel.length;
  const group = options.group ?? 1;
  const strides = options.strides ?? kernel.map(() => 1);
  const dilations = options.dilations ?? kernel.map(() => 1);
  const pads = options.pads ?? Array<number>(2 * rank).fill(0);
  const perGroup = w.dims[1]!;
  const inPerGroup = x.dims[1]! / group;
  const sizes = kernel.map((k, axis) => {
    const reach = (x.dims[axis + 2]! - 1) * strides[axis]! + (k - 1) * dilations[axis]! + 1;
    return reach - pads[axis]! - pads[axis + rank]! + (options.outputPadding?.[axis] ?? 0);
  });
  const y = dense([x.dims[0]!, perGroup * group, ...sizes], ([, m]) => bias?.data[m!] ?? 0);
  for (let flat = 0; flat < x.data.length; flat++) {
    const [n, c, ...position] = unravel(flat, x.dims);
    const g = Math.floor(c! / inPerGroup);
    for (let k = 0; k < sizeOf(kernel); k++) {
      const tap = unravel(k, kernel);
      const where = tap.map((t, axis) => position[axis]! * strides[axis]! + t * dilations[axis]! - pads[axis]!);
      if (!where.every((p, axis) => p >= 0 && p < sizes[axis]!)) continue;
      for (let m = 0; m < perGroup; m++) {
        let target = n! * perGroup * group + g * perGroup + m;
        for (let axis = 0; axis < rank; axis++) target = target * sizes[axis]! + where[axis]!;
        y.data[target]! += x.data[flat]! * at(w, [c!, m, ...tap]);
      }
    }
  }
  return y;
}

/** Max or average over windows; `includePad` counts padding within the declared pads. */
export function pool(x: Dense, window: Window, kind: "max" | "average", includePad = false): Dense {
  const inSizes = x.dims.slice(2);
  const { out, pads, rank } = resolved(window, inSizes);
  return dense([x.dims[0]!, x.dims[1]!, ...out], ([n, c, ...position]) => {
    const values: number[] = [];
    let padded = 0;
    eachTap(window, inSizes, position, (_tap, where, inside) => {
      if (inside) values.push(at(x, [n!, c!, ...where]));
      else if (where.every((p, axis) => p >= -pads[axis]! && p < inSizes[axis]! + pads[axis + rank]!)) padded++;
    });
    if (kind === "max") return Math.max(...values);
    return sum(values) / (values.length + (includePad ? padded : 0));
  });
}

/** (x − mean) / √(var + ε) over axes. */
export function standardize(x: Dense, axes: readonly number[], epsilon: number): Dense {
  const mean = reduce(x, axes, true, (values) => sum(values) / values.length);
  const centred = broadcast([x, mean], (a, b) => a - b);
  const variance = reduce(centred, axes, true, (values) => sum(values.map((v) => v * v)) / values.length);
  return broadcast([centred, variance], (a, b) => a / Math.sqrt(b + epsilon));
}

export function softmax(x: Dense, axis: number): Dense {
  const top = reduce(x, [axis], true, (values) => Math.max(...values));
  const exps = broadcast([x, top], (a, b) => Math.exp(a - b));
  const total = reduce(exps, [axis], true, sum);
  return broadcast([exps, total], (a, b) => a / b);
}

/** Abramowitz, Stegun 7.1.5 (power series), exact to double precision for |x| ≤ 4. */
export function erf(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
