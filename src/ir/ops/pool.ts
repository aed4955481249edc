import { attrInt, attrInts } from '../attr.js';
import type { Node, Value } from '../model.js';
import { tensorType } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { type Count, extentOf, positions, shapeOfCounts, vector } from './core/counts.js';
import { type AttrsOf, type GradBuilder, type NdArray, type OpDef, type OpName, op } from './core/define.js';
import { attributes, extraOutput, input, unaryVjp, type Vjp } from './core/gradient.js';
import { extentAt, floats, range, slice, unsqueezeAxis } from './core/gradient-shape.js';
import { fromIndex, offset, reduce, stridesOf } from './core/nd.js';
import { attrs, need, one, rankIn, rule, tensorAt, typeOf } from './core/rules.js';
import {
  frameOf,
  padsBefore,
  type WindowAttrs,
  type WindowFrame,
  windowExtents,
  windowOf,
} from './core/window.js';
import { scatterAdd } from './gather.js';

/** Pooling over windows and over all positions. */

/** What one window covers. */
interface Covered {
  /** the elements that lie in the input, in row-major order */
  readonly values: readonly number[];
  /** where each of them lies in the flattened input */
  readonly offsets: readonly number[];
  /** how many places the window has within the padded input; without padding where count_include_pad is 0 */
  readonly places: number;
}

type PoolAttrs = WindowAttrs & {
  readonly kernel_shape: readonly number[];
  readonly count_include_pad?: number;
};

/** Pooling of (batch, channels, spatial...) over windows. `f` makes one element of each output from a window. */
function pool<const Op extends OpName>(name: Op, f: (window: Covered) => readonly number[]): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const a = attrs(node, ctx) as PoolAttrs;
      if (!x?.shape)
        return { types: node.outputs.map((_, k) => typeOf(k === 0 ? x?.dtype : x && 'i64', null)) };
      rankIn(node, x.shape, 2 + a.kernel_shape.length, 2 + a.kernel_shape.length, 'the input');
      const shape = [
        ...x.shape.slice(0, 2),
        ...windowExtents(x.shape.slice(2), windowOf(a.kernel_shape, a), a),
      ];
      return { types: node.outputs.map((_, k) => typeOf(k === 0 ? x.dtype : 'i64', shape)) };
    }),
    value: (node, inputs): NdArray[] => {
      const x = need(inputs, 0);
      const a = attrsOf(node) as AttrsOf<Op> & PoolAttrs;
      const spatial = x.shape.slice(2);
      const frame = windowOf(a.kernel_shape, a);
      const before = padsBefore(spatial, frame, a);
      const strides = stridesOf(x.shape);
      const shape = [...x.shape.slice(0, 2), ...(windowExtents(spatial, frame, a) as number[])];
      // with ceil_mode a window may reach beyond the padding, where it has no places
      const explicit = a.auto_pad === undefined || a.auto_pad === 'NOTSET';
      const ends = spatial.map((n, s) => (explicit ? n + (a.pads?.[s + spatial.length] ?? 0) : Infinity));
      const covered = (index: readonly number[]): Covered => {
        const [values, offsets]: [number[], number[]] = [[], []];
        let padded = 0;
        fromIndex(a.kernel_shape, (k) => {
          const at = spatial.map(
            (_, s) => index[s + 2]! * frame.strides[s]! + k[s]! * frame.dilations[s]! - before[s]!,
          );
          if (at.every((p, s) => p < ends[s]!)) padded++;
          if (!at.every((p, s) => p >= 0 && p < spatial[s]!)) return 0;
          const from = offset(strides, [index[0]!, index[1]!, ...at]);
          values.push(x.data[from]!);
          offsets.push(from);
          return 0;
        });
        return { values, offsets, places: a.count_include_pad ? padded : values.length };
      };
      return node.outputs.map((_, k) => fromIndex(shape, (index) => f(covered(index))[k]!));
    },
  };
}

/** Elements of `updates` at the places of flattened zeros, as many as x has. */
function scatter(b: GradBuilder, x: Value, indices: Value, updates: Value, repeated: boolean): Value {
  const size = b.reshape(b.one('Size', [x]), b.ints([1]));
  const [at, flat] = [b.reshape(indices, b.ints([-1])), b.reshape(updates, b.ints([-1]))];
  const axis = { axis: attrInt(0) };
  if (repeated) return scatterAdd(b, 'ScatterElements', size, at, flat, x, axis);
  return b.one('ScatterElements', [b.one('Expand', [b.scalar(0, x), size]), at, flat], axis);
}

/** Beyond any extent. */
const END = 2 ** 53 - 1;

/** The sum over sets of windows that do not overlap: every n-th one along each axis. */
function inTurns(b: GradBuilder, node: Node, x: Value, indices: Value, dy: Value): Value {
  const a = attributes(node, 'MaxPool');
  const { kernel, strides, dilations } = frameOf(b, x, a.kernel_shape, { ...a, auto_pad: 'NOTSET' });
  const every = kernel.map((extent, s) => Math.ceil(((extent - 1) * dilations[s]! + 1) / strides[s]!));
  const turns = every.reduce<number[][]>(
    (all, count) => all.flatMap((turn) => range(count).map((first) => [...turn, first])),
    [[]],
  );
  const axes = b.ints(kernel.map((_, s) => s + 2));
  const parts = turns.map((turn) => {
    const ends = b.ints(turn.map(() => END));
    const part = (value: Value): Value =>
      turns.length === 1 ? value : b.one('Slice', [value, b.ints(turn), ends, axes, b.ints(every)]);
    return scatter(b, x, part(indices), part(dy), false);
  });
  return parts.reduce((sum, part) => b.add(sum, part));
}

/** MaxPool: the greatest element of each window, and where it lies in the flattened input; the first of equal ones. */
export const MaxPool = op(
  pool('MaxPool', ({ values, offsets }) => {
    const greatest = Math.max(...values);
    return [greatest, offsets[values.indexOf(greatest)]!];
  }),
  {
    /**
     * MaxPool: each element of dy is added where the greatest element of its window lies, the first one of equal ones, as the
     * node's output Indices says. Before operator set 16 nothing adds at repeated places: windows are then taken in turns that
     * do not overlap.
     */
    vjp: (b, node, [dy]) => {
      if (b.opset < 11) return { because: 'scattering by index needs operator set 11', at: node };
      if (b.wants(0) && attributes(node, 'MaxPool').storage_order !== 0)
        return { because: 'its indices count columns first (storage_order)', at: node };
      const x = input(node, 0);
      const indices = extraOutput(b, node, 1);
      const { type } = node.outputs[0]!;
      if (!indices.type && type?.kind === 'tensor') indices.setType(tensorType('i64', type.shape), true);
      const flat = b.opset >= 16 ? scatter(b, x, indices, dy!, true) : inTurns(b, node, x, indices, dy!);
      return [b.reshapeLike(flat, x)];
    },
    cases: [
      {
        inputs: ['float[2,3,7,5]'],
        outputs: 2,
        attrs: { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1], ceil_mode: 1 },
      },
      {
        inputs: ['float[1,2,3,4] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}'],
        outputs: 2,
        attrs: { kernel_shape: [2, 2], dilations: [1, 2], pads: [1, 1, 0, 0] },
        gradient: [],
      },
      { inputs: ['float[1,2,5,6]'], attrs: { kernel_shape: [2, 3], pads: [1, 0, 0, 2] } },
    ],
  },
);

interface Reach {
  readonly frame: WindowFrame;
  readonly s: number;
  /** the first place that counts, and how many places after the last element count */
  readonly first: number;
  readonly end: number;
}

/** How many places each window has along axis s: (windows, 1 if more axes follow), in the type of x. */
function places(
  b: GradBuilder,
  x: Value,
  extent: Count,
  windows: Count,
  { frame, s, first, end }: Reach,
): Value {
  const [stride, dilation, before] = [frame.strides[s]!, frame.dilations[s]!, frame.before[s]!];
  const taps = range(frame.kernel[s]!).map((k) => k * dilation - before);
  if (typeof extent === 'number' && typeof windows === 'number') {
    const counts = range(windows).map(
      (i) => taps.filter((tap) => i * stride + tap >= first && i * stride + tap < extent + end).length,
    );
    return floats(b, x, [windows], counts, 'grad/floats');
  }
  if (b.opset < 11) return b.refuse('extents that vary need Range, of operator set 11');
  const numbers = positions(b, vector(b, windows));
  const at = b.one('Add', [unsqueezeAxis(b, b.one('Mul', [numbers, b.ints([stride])]), 1), b.ints(taps)]);
  const inside = b.one('And', [
    b.one('Less', [at, b.one('Add', [vector(b, extent), b.ints([end])])]),
    b.one('Less', [b.ints([first - 1]), at]),
  ]);
  return b.reduceSum(b.one('Cast', [inside], { to: attrInt(b.onnxType(x)) }), [1], false);
}

/** dy divided by the number of places of each window, which is a product over the axes. */
function shares(b: GradBuilder, node: Node, dy: Value, frame: WindowFrame, a: AttrsOf<'AveragePool'>): Value {
  const [x, y] = [input(node, 0), node.outputs[0]!];
  const { kernel, before, after } = frame;
  const explicit = a.auto_pad !== 'SAME_UPPER' && a.auto_pad !== 'SAME_LOWER';
  const partly = kernel.map((_, s) => {
    const padded = before[s] !== 0 || after[s] !== 0 || !explicit;
    return (padded && !a.count_include_pad) || (explicit && a.ceil_mode === 1 && frame.strides[s]! > 1);
  });
  const whole = kernel.reduce((count, extent, s) => (partly[s] ? count : count * extent), 1);
  let share = whole === 1 ? dy : b.mul(dy, b.scalar(1 / whole, x));
  for (const [s, varies] of partly.entries()) {
    if (!varies) continue;
    const end = a.count_include_pad ? after[s]! : 0;
    const first = a.count_include_pad ? -before[s]! : 0;
    const counts = { frame, s, first, end };
    const line = places(b, x, extentOf(b, x, s + 2), extentOf(b, y, s + 2), counts);
    share = b.div(
      share,
      kernel.slice(s + 1).reduce((value) => unsqueezeAxis(b, value, 1), line),
    );
  }
  return share;
}

/** The filter (1, 1, kernel...) of ones. */
function ones(b: GradBuilder, x: Value, kernel: readonly number[]): Value {
  const count = kernel.reduce((product, extent) => product * extent, 1);
  return floats(b, x, [1, 1, ...kernel], new Array<number>(count).fill(1), 'grad/floats');
}

/**
 * AveragePool: each element of dy is divided by the places of its window and added to all of them, which is the transposed
 * convolution with ones, channel by channel.
 */
const averagePoolVjp: Vjp = (b, node, [dy]) => {
  const x = input(node, 0);
  const a = attributes(node, 'AveragePool');
  const frame = frameOf(b, x, a.kernel_shape, a);
  const share = shares(b, node, dy!, frame, a);
  const { kernel, strides, dilations, before } = frame;
  const places = kernel.map((_, s) => extentOf(b, node.outputs[0]!, s + 2));
  const alone = b.reshape(share, shapeOfCounts(b, [-1, 1, ...places]));
  const wide = b.one('ConvTranspose', [alone, ones(b, x, kernel)], {
    kernel_shape: attrInts(kernel),
    strides: attrInts(strides),
    dilations: attrInts(dilations),
    pads: attrInts([...before, ...kernel.map(() => 0)]),
    output_padding: attrInts(strides.map((stride) => stride - 1)),
  });
  const cut = kernel.reduce((all, extent, s) => {
    const [from, to] = [b.dims(x)[s + 2], b.dims(node.outputs[0]!)[s + 2]];
    const reach = (extent - 1) * dilations[s]! + strides[s]! - before[s]!;
    const fits =
      typeof from === 'number' && typeof to === 'number' && (to - 1) * strides[s]! + reach === from;
    return fits ? all : slice(b, all, b.ints([0]), extentAt(b, x, s + 2), s + 2);
  }, wide);
  return [b.reshapeLike(cut, x)];
};

/** The last window passes the end: padding counts or not, and before operator set 22 in another way. */
const UNEVEN = [17, 22].flatMap((opset) =>
  [0, 1].map((count_include_pad) => ({
    inputs: ['float[1,2,8,6]'],
    opset,
    attrs: { kernel_shape: [4, 3], strides: [3, 2], pads: [1, 1, 0, 1], ceil_mode: 1, count_include_pad },
  })),
);

/** AveragePool: the mean of each window. */
export const AveragePool = op(
  pool('AveragePool', ({ values, places }) => [values.reduce((a, b) => a + b, 0) / places]),
  {
    vjp: averagePoolVjp,
    cases: [
      { inputs: ['float[1,2,5,6]'], attrs: { kernel_shape: [2, 3], strides: [2, 2], pads: [0, 1, 1, 1] } },
      { inputs: ['float[1,2,6]'], attrs: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
      ...UNEVEN,
      {
        inputs: ['float[1,2,4,5,3]'],
        opset: 22,
        attrs: { kernel_shape: [2, 3, 1], dilations: [2, 1, 1], strides: [1, 2, 2], ceil_mode: 1 },
      },
    ],
  },
);

/** f over all spatial dimensions of (batch, channels, spatial...), which become 1. */
function globalPool<const Op extends OpName>(name: Op, f: (values: Float64Array) => number): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure'],
    infer: rule<Op>((_, ctx) => {
      const x = tensorAt(ctx, 0);
      return one(x?.dtype, x?.shape?.map((dim, k) => (k < 2 ? dim : 1)) ?? null);
    }),
    value: (_, inputs) => {
      const x = need(inputs, 0);
      return [reduce(x, [...x.shape.keys()].slice(2), true, f)];
    },
  };
}

/** GlobalMaxPool: the greatest over all spatial dimensions. */
export const GlobalMaxPool = op(
  globalPool('GlobalMaxPool', (v) => v.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)),
  {
    /** GlobalMaxPool: to the pixels that equal the result, in equal parts. */
    vjp: unaryVjp((b, dy, x, y) => {
      const axes = b.dims(x).flatMap((_, axis) => (axis >= 2 ? [axis] : []));
      const hit = b.one('Where', [b.one('Equal', [x, y]), b.scalar(1, x), b.scalar(0, x)]);
      return b.mul(hit, b.div(dy, b.reduceSum(hit, axes, true)));
    }),
    cases: [{ inputs: ['float[2,3,4,5]'] }],
  },
);

/** How many elements of x there are for each of dy, as a number of x's type. */
function count(b: GradBuilder, x: Value, dy: Value): Value {
  const each = b.one('Div', [b.one('Size', [x]), b.one('Max', [b.one('Size', [dy]), b.index(1)])]);
  return b.one('Cast', [each], { to: attrInt(b.onnxType(x)) });
}

/** GlobalAveragePool: the mean over all spatial dimensions. */
export const GlobalAveragePool = op(
  globalPool('GlobalAveragePool', (v) => v.reduce((a, b) => a + b, 0) / v.length),
  {
    /** GlobalAveragePool: dx = dy over the number of pixels, laid over them. */
    vjp: unaryVjp((b, dy, x) => {
      const pixels = b.dims(x).slice(2);
      const wide = b.one('Expand', [dy, b.shapeOf(x)]);
      if (pixels.every((extent): extent is number => typeof extent === 'number')) {
        const count = pixels.reduce((a, c) => a * c, 1);
        return b.mul(wide, b.scalar(1 / count, x));
      }
      return b.div(wide, count(b, x, dy));
    }),
    cases: [{ inputs: ['float[2,3,4,5]'] }],
  },
);
