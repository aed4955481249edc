import { type Attrs, type Nd, type Op, sizeOf } from './graph.js';
import { floatOf, intOf, intsOf } from './ops.js';
import {
  broadcastShape,
  einsum,
  einsumLetters,
  elementAt,
  filled,
  flipped,
  matmul,
  patches,
  permuted,
  reshaped,
} from './tensors.js';

/** s F1 F2 ... Fn next to a layer, by its definition. */
export interface LayerAdapter {
  readonly factors: readonly Nd[];
  readonly scale: number;
}

/** y + s ((x F1) F2) ..., with x as rows, for each adapter. */
function adapted(y: Nd, x: Nd, adapters: readonly LayerAdapter[]): Nd {
  return adapters.reduce((sum, { factors, scale }) => {
    const product = factors.reduce(matmul, x);
    return plus(sum, { ...product, data: product.data.map((v) => scale * v) });
  }, y);
}

/** Convolutions over patches of x: filters (out, channels / group, window...). */
function convolve([x, w, bias]: readonly (Nd | null)[], attrs: Attrs, adapters: readonly LayerAdapter[]): Nd {
  const window = w!.shape.slice(2);
  const rank = window.length;
  const ones = window.map(() => 1);
  const form = {
    strides: intsOf(attrs.strides) ?? ones,
    dilations: intsOf(attrs.dilations) ?? ones,
    pads: intsOf(attrs.pads) ?? [...ones, ...ones].map(() => 0),
  };
  const { rows, places } = patches(x!, window, form);
  const groups = intOf(attrs.group, 1);
  const out = w!.shape[0]!;
  const patch = sizeOf(w!.shape.slice(1));
  const base = filled(x!.dtype, [x!.shape[0]!, sizeOf(places), out], ([n, place, filter]) => {
    const first = Math.floor(filter! / (out / groups)) * patch;
    let sum = bias?.data[filter!] ?? 0;
    for (let k = 0; k < patch; k++)
      sum += elementAt(rows, [n!, place!, first + k]) * w!.data[filter! * patch + k]!;
    return sum;
  });
  const channelsFirst = permuted(adapted(base, rows, adapters), [0, 2, 1]);
  if (places.length !== rank) throw new Error('a window of another rank');
  return reshaped(channelsFirst, [x!.shape[0]!, out, ...places]);
}

const plus = (a: Nd, b: Nd): Nd =>
  filled(a.dtype, broadcastShape(a.shape, b.shape), (at) => elementAt(a, at) + elementAt(b, at));

/** The adapter's delta with the axes of an Einsum's weight: rows are the summed letters, columns the others. */
function asKernel(
  equation: string,
  operands: readonly Nd[],
  weight: number,
  { factors, scale }: LayerAdapter,
): Nd {
  const { operands: letters, result } = einsumLetters(
    equation,
    operands.map(({ shape }) => shape),
  );
  const own = letters[weight]!;
  const x = letters[1 - weight]!;
  const order = [
    ...[...x].filter((letter) => own.includes(letter) && !result.includes(letter)),
    ...[...result].filter((letter) => own.includes(letter) && !x.includes(letter)),
  ];
  const delta = factors.reduce(matmul);
  const shape = order.map((letter) => operands[weight]!.shape[own.indexOf(letter)]!);
  const turned = permuted(
    reshaped(delta, shape),
    [...own].map((letter) => order.indexOf(letter)),
  );
  return { ...turned, dtype: operands[weight]!.dtype, data: turned.data.map((v) => scale * v) };
}

/** Operators that multiply by a weight, with the adapter next to it. */
export const LAYERS: Readonly<
  Record<string, (inputs: readonly (Nd | null)[], op: Op, adapters: readonly LayerAdapter[]) => Nd>
> = {
  MatMul: ([x, w], _, adapters) => adapted(matmul(x!, w!), x!, adapters),
  'com.microsoft::FusedMatMul': ([x, w], { attrs }, adapters) => {
    const left = intOf(attrs.transA, 0) !== 0 ? flipped(x!) : x!;
    const y = matmul(left, intOf(attrs.transB, 0) !== 0 ? flipped(w!) : w!);
    const alpha = floatOf(attrs.alpha, 1);
    const scaled = { ...y, data: y.data.map((v) => alpha * v) };
    return adapted(scaled, left, adapters);
  },
  Gemm: ([x, w, c], { attrs }, adapters) => {
    const left = intOf(attrs.transA, 0) !== 0 ? flipped(x!) : x!;
    const y = matmul(left, intOf(attrs.transB, 0) !== 0 ? flipped(w!) : w!);
    const [alpha, beta] = [floatOf(attrs.alpha, 1), floatOf(attrs.beta, 1)];
    const scaled = filled(
      y.dtype,
      y.shape,
      (at) => alpha * elementAt(y, at) + (c ? beta * elementAt(c, at) : 0),
    );
    return adapted(scaled, left, adapters);
  },
  Conv: (inputs, { attrs }, adapters) => convolve(inputs, attrs, adapters),
  Einsum: (inputs, { attrs, weight = 1 }, adapters) => {
    const equation = (attrs.equation as { value: string }).value;
    const operands = inputs.map((x) => x!);
    const y = einsum(equation, operands);
    return adapters.reduce((sum, adapter) => {
      const pair = operands.map((operand, k) =>
        k === weight ? asKernel(equation, operands, weight, adapter) : operand,
      );
      return plus(sum, einsum(equation, pair));
    }, y);
  },
};
