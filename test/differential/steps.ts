import { type Attrs, float, graph, int, ints, type Nd, nd, sizeOf, text } from './graph.js';
import { convLayer, einsumLayer, fusedLayer, gemmLayer, leftLayer, matmulLayer } from './linear.js';
import { Sketch, Unsuitable } from './sketch.js';
import { broadcastShape } from './tensors.js';

/** Steps of the generator: each adds a few nodes and returns what later ones may read, or throws Unsuitable. */
export type Step = (s: Sketch) => string | readonly string[];

const full = (value: Nd): boolean => value.data.length > 0;
const scalar = (s: Sketch, value: number): string => s.store(nd(s.world.dtype, [], [value]));
const own = (s: Sketch) => (value: Nd) => value.dtype === s.world.dtype;

const SMOOTH = ['Tanh', 'Sigmoid', 'Neg', 'Relu', 'Abs', 'Identity'] as const;
const FLOAT_ONLY = [
  'LeakyRelu',
  'Erf',
  'Softplus',
  'Sin',
  'Cos',
  'com.microsoft::Gelu',
  'com.microsoft::QuickGelu',
  'Gelu',
] as const;

function unary(s: Sketch): string {
  const wide = s.world.dtype === 'f32';
  const key = s.random.pick<string>(wide ? [...SMOOTH, ...FLOAT_ONLY] : SMOOTH);
  if (key === 'Gelu' && s.world.opset < 20) throw new Unsuitable(key);
  const attrs: Attrs =
    key === 'LeakyRelu'
      ? { alpha: float(0.2) }
      : key === 'Gelu' && s.random.chance(0.5)
        ? { approximate: text('tanh') }
        : {};
  return s.add(key, [s.pick(own(s))], attrs);
}

/** Two values, or a value and a constant, whose shapes broadcast. */
function binary(s: Sketch): string {
  const { random, world } = s;
  const op = random.pick(['Add', 'Add', 'Sub', 'Mul', 'Max']);
  const a = s.pick(own(s));
  const { shape } = s.value(a);
  if (random.chance(0.4)) {
    const axes = shape
      .map((extent) => (random.chance(0.4) ? 1 : extent))
      .slice(random.below(shape.length + 1));
    const c = s.store(world.noise(world.dtype, axes));
    if (op === 'Sub' && random.chance(0.3)) return s.add('Div', [a, s.store(nd(world.dtype, [], [1.5]))]);
    return s.add(op, random.chance(0.5) ? [a, c] : [c, a]);
  }
  const b = s.pick((value) => {
    if (!own(s)(value)) return false;
    try {
      return sizeOf(broadcastShape(shape, value.shape)) <= 1024;
    } catch {
      return false;
    }
  });
  if (random.chance(0.1)) return s.add('Sum', [a, b, a]);
  return s.add(op, [a, b]);
}

function choice(s: Sketch): string {
  const { random } = s;
  const a = s.pick(own(s));
  const { shape } = s.value(a);
  if (random.chance(0.4)) return s.add('Clip', [a, scalar(s, -0.75), scalar(s, 0.8)]);
  if (random.chance(0.3)) return s.add('Pow', [a, scalar(s, 2)]);
  const mask: Nd = {
    dtype: 'bool',
    shape,
    data: Float64Array.from({ length: sizeOf(shape) }, () => random.below(2)),
  };
  return s.add('Where', [s.store(mask), a, scalar(s, 0.25)]);
}

function normalise(s: Sketch): string {
  const { random, world } = s;
  const x = s.pick((value) => own(s)(value) && value.shape.length >= 1 && full(value));
  const { shape } = s.value(x);
  if (random.chance(0.5)) {
    const axis = random.below(shape.length);
    return s.add(random.chance(0.7) ? 'Softmax' : 'LogSoftmax', [x], {
      axis: int(random.chance(0.5) ? axis : axis - shape.length),
    });
  }
  const axis = random.below(shape.length);
  const scale = s.store(world.noise(world.dtype, shape.slice(axis)));
  const bias = random.chance(0.6) ? [s.store(world.noise(world.dtype, shape.slice(axis), 0.5))] : [];
  return s.add('LayerNormalization', [x, scale, ...bias], { axis: int(axis), epsilon: float(0.05) });
}

function reduce(s: Sketch): string {
  const { random, world } = s;
  const x = s.pick((value) => own(s)(value) && value.shape.length >= 1 && full(value));
  const rank = s.value(x).shape.length;
  const op = random.pick(['ReduceMean', 'ReduceSum', 'ReduceMax']);
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter(() => random.chance(0.5));
  if (axes.length === 0) axes.push(rank - 1);
  const given = axes.map((axis) => (random.chance(0.3) ? axis - rank : axis));
  const keep: Attrs = random.chance(0.5) ? {} : { keepdims: int(random.below(2)) };
  // ReduceSum takes its axes as an input since 13, the others since 18
  if (op === 'ReduceSum' || world.opset >= 18) return s.add(op, [x, s.wholes(given)], keep);
  return s.add(op, [x], { axes: ints(given), ...keep });
}

function reshape(s: Sketch): string {
  const { random } = s;
  const x = s.pick(full);
  const { shape, data } = s.value(x);
  const rank = shape.length;
  switch (random.below(6)) {
    case 0: {
      const axis = random.below(rank + 1);
      return s.add('Flatten', [x], { axis: int(axis) });
    }
    case 1: {
      const axis = random.below(rank + 1);
      return s.add('Unsqueeze', [x, s.wholes([random.chance(0.5) ? axis : axis - rank - 1])]);
    }
    case 2: {
      const axis = shape.indexOf(1);
      if (axis < 0) throw new Unsuitable('Squeeze');
      return s.add('Squeeze', [x, s.wholes([axis])]);
    }
    case 3: {
      if (rank < 2) throw new Unsuitable('Reshape');
      // extents that are kept, and one that follows
      return s.add('Reshape', [x, s.wholes([0, -1])]);
    }
    case 4: {
      // to the shape of another value, asked for when the model runs
      const like = s.pick((value) => value.data.length === data.length);
      return s.add('Reshape', [x, s.add('Shape', [like])]);
    }
    default: {
      const factors = [2, 3, 4, 5, 6].filter((extent) => data.length % extent === 0);
      const first = factors.length > 0 ? random.pick(factors) : 1;
      const target = random.chance(0.5) ? [first, -1] : [1, data.length / first, first];
      return s.add('Reshape', [x, s.wholes(target)]);
    }
  }
}

function move(s: Sketch): string {
  const { random } = s;
  const x = s.pick((value) => value.shape.length >= 1);
  const { shape } = s.value(x);
  const axes = shape.map((_, axis) => axis);
  switch (random.below(6)) {
    case 0:
    case 1: {
      const perm: number[] = [];
      for (const left = [...axes]; left.length > 0; ) perm.push(...left.splice(random.below(left.length), 1));
      return s.add('Transpose', [x], random.chance(0.2) ? {} : { perm: ints(perm) });
    }
    case 2: {
      const axis = random.below(shape.length);
      const extent = shape[axis]!;
      if (extent < 2) throw new Unsuitable('Slice');
      const [from, to, step] = random.pick([
        [0, extent - 1, 1],
        [1, extent, 1],
        [-1, -extent - 1, -1],
        [0, 9223372, 2],
      ] as const);
      const steps = step === 1 && random.chance(0.5) ? [] : [s.wholes([step])];
      return s.add('Slice', [x, s.wholes([from]), s.wholes([to]), s.wholes([axis]), ...steps]);
    }
    case 3: {
      if (!full(s.value(x))) throw new Unsuitable('Gather');
      const axis = random.below(shape.length);
      const extent = shape[axis]!;
      const indices = random.pick<Nd>([
        nd('i64', [], [random.below(extent)]),
        nd('i64', [2], [extent - 1, 0]),
        nd('i64', [1, 2], [-1, random.below(extent)]),
      ]);
      return s.add('Gather', [x, s.store(indices)], { axis: int(axis) });
    }
    case 4: {
      if (!full(s.value(x)) || s.world.dtype !== 'f32') throw new Unsuitable('Pad');
      const pads = [...axes, ...axes].map(() => random.below(2));
      return s.add('Pad', [x, s.wholes(pads), scalar(s, 0.5)]);
    }
    default: {
      const wide = [
        random.pick([1, 2]),
        ...shape.map((extent) => (extent === 1 ? random.pick([1, 3]) : extent)),
      ];
      if (sizeOf(wide) > 512) throw new Unsuitable('Expand');
      if (random.chance(0.4)) return s.add('Tile', [x, s.wholes(shape.map(() => random.pick([1, 1, 2])))]);
      return s.add('Expand', [x, s.wholes(wide)]);
    }
  }
}

function join(s: Sketch): string | readonly string[] {
  const { random, world } = s;
  const x = s.pick((value) => own(s)(value) && value.shape.length >= 1);
  const { shape } = s.value(x);
  const axis = random.below(shape.length);
  if (random.chance(0.5)) {
    const other = s.pick(
      (value) =>
        own(s)(value) &&
        value.shape.length === shape.length &&
        value.shape.every((extent, k) => k === axis || extent === shape[k]),
    );
    return s.add('Concat', random.chance(0.3) ? [other, x, other] : [x, other], { axis: int(axis) });
  }
  const extent = shape[axis]!;
  if (extent < 2) throw new Unsuitable('Split');
  const outputs = [s.name(), s.name()];
  const first = 1 + random.below(extent - 1);
  if (random.chance(0.7))
    s.add('Split', [x, s.wholes([first, extent - first])], { axis: int(axis) }, { outputs });
  else {
    if (extent % 2 !== 0) throw new Unsuitable('Split');
    s.add(
      'Split',
      [x],
      { axis: int(axis), ...(world.opset >= 18 ? { num_outputs: int(2) } : {}) },
      { outputs },
    );
  }
  return outputs;
}

/** An operator that lotrc has no definition of. */
function unknown(s: Sketch): string {
  const x = s.pick((value) => value.dtype === 'f32' && value.shape.length >= 1 && value.shape.length < 4);
  return s.add('com.microsoft::ExpandDims', [
    x,
    s.store(nd('i32', [], [s.random.below(s.value(x).shape.length)])),
  ]);
}

/** x f(x W1) W2 + x, as transformers have it. */
function residual(s: Sketch): string {
  const x = s.pick((value) => own(s)(value) && value.shape.length >= 2 && full(value));
  const inn = s.value(x).shape.at(-1)!;
  const hidden = s.add(s.random.pick(['Relu', 'Tanh', 'Sigmoid']), [matmulLayer(s, undefined, x)]);
  return s.add('Add', [x, matmulLayer(s, inn, hidden)]);
}

/** The attention scores of two projections: a product of two activations. */
function attention(s: Sketch): string {
  const x = s.pick((value) => own(s)(value) && value.shape.length === 3 && full(value));
  const out = s.random.pick([2, 3, 4]);
  const [q, k, v] = [matmulLayer(s, out, x), matmulLayer(s, out, x), matmulLayer(s, undefined, x)];
  const scores = s.add('MatMul', [q, s.add('Transpose', [k], { perm: ints([0, 2, 1]) })]);
  return s.add('MatMul', [s.add('Softmax', [scores], { axis: int(-1) }), v]);
}

function branch(s: Sketch): string {
  const { random } = s;
  const x = s.pick((value) => own(s)(value) && value.shape.length >= 2 && full(value));
  const out = random.pick([1, 2, 3, 4]);
  const side = (): Sketch => new Sketch(s.world, s);
  const end = (inner: Sketch): string => {
    const y = matmulLayer(inner, out, x);
    return random.chance(0.5) ? inner.add('Tanh', [y]) : y;
  };
  const [yes, no] = [side(), side()];
  const [a, b] = [end(yes), end(no)];
  // a branch delivers what it computes
  const ends = [
    yes.ops.some(({ outputs }) => outputs.includes(a)),
    no.ops.some(({ outputs }) => outputs.includes(b)),
  ];
  if (ends.includes(false)) throw new Unsuitable('If');
  const taken = random.below(2);
  const condition = s.inputs.find(({ dtype }) => dtype === 'bool')?.name ?? s.store(nd('bool', [], [taken]));
  return s.add('If', [condition], {
    then_branch: graph(yes.net(s.name('then'), [a], random.chance(0.7))),
    else_branch: graph(no.net(s.name('else'), [b], random.chance(0.7))),
  });
}

function loop(s: Sketch): string | readonly string[] {
  const { random } = s;
  const start = s.pick((value) => own(s)(value) && [1, 2, 3].includes(value.shape.length) && full(value));
  const state = s.value(start);
  const inner = new Sketch(s.world, s);
  const turn = inner.input(s.name('i'), nd('i64', [], [0]), []);
  const going = inner.input(s.name('go'), nd('bool', [], [1]), []);
  const held = inner.input(s.name('state'), state, random.chance(0.5) ? state.shape : null);
  const y = inner.add('Tanh', [matmulLayer(inner, state.shape.at(-1)!, held)]);
  const goes = inner.add('Identity', [going]);
  const collect = random.chance(0.5);
  const row = collect ? [inner.add('Sin', [y])] : [];
  if (collect && s.world.dtype !== 'f32') throw new Unsuitable('Sin');
  const body = inner.net(s.name('body'), [goes, y, ...row], random.chance(0.7));
  const trips = s.store(nd('i64', [], [random.pick([1, 2, 3])]));
  const outputs = [s.name(), ...row.map(() => s.name())];
  s.add(
    'Loop',
    [trips, random.chance(0.5) ? '' : s.store(nd('bool', [], [1])), start],
    { body: graph(body) },
    { outputs },
  );
  if (turn === going) throw new Error('names are not unique');
  return outputs;
}

function scan(s: Sketch): string | readonly string[] {
  const { random, world } = s;
  const x = s.pick((value) => own(s)(value) && [2, 3].includes(value.shape.length) && full(value));
  const { shape } = s.value(x);
  const width = random.pick([1, 2, 3]);
  const rows = shape.slice(1, -1);
  const first = world.noise(world.dtype, [...rows, width]);
  const start = s.store(first);
  const inner = new Sketch(world, s);
  const held = inner.input(s.name('state'), first, first.shape);
  const size = s.value(x).data.length / shape[0]!;
  const one: Nd = { dtype: world.dtype, shape: shape.slice(1), data: s.value(x).data.slice(0, size) };
  const element = inner.input(s.name('xt'), one, one.shape);
  const sum = inner.add('Add', [matmulLayer(inner, width, held), matmulLayer(inner, width, element)]);
  const y = inner.add('Tanh', [sum]);
  const copy = inner.add('Identity', [y]);
  const body = inner.net(s.name('body'), [y, copy]);
  const outputs = [s.name(), s.name()];
  const backwards: Attrs = random.chance(0.3) ? { scan_input_directions: ints([1]) } : {};
  s.add('Scan', [start, x], { body: graph(body), num_scan_inputs: int(1), ...backwards }, { outputs });
  return outputs;
}

/** Calls of a function that multiplies by a weight in its body, by one that it is given, or by none. */
function call(s: Sketch): string {
  const { random, world } = s;
  if (s.isFunction) throw new Unsuitable('nested');
  const x = s.pick((value) => own(s)(value) && value.shape.length >= 2 && full(value));
  const value = s.value(x);
  const inn = value.shape.at(-1)!;
  const out = random.pick([1, 2, 3, 4]);
  const inner = new Sketch(world, s, true);
  const given = inner.input(s.name('a'), value);
  const kind = random.below(3);
  if (kind === 0) {
    const key = inner.define(s.name('Plain'), [inner.add('Tanh', [inner.add('Neg', [given])])]);
    return s.add(key, [x], {}, { name: s.name('F') });
  }
  if (kind === 1) {
    const y = inner.add('Tanh', [matmulLayer(inner, inn, given)]);
    const key = inner.define(s.name('Own'), [y]);
    const once = s.add(key, [x], {}, { name: s.name('F') });
    return random.chance(0.5) ? once : s.add(key, [once], {}, { name: s.name('F') });
  }
  const w = world.noise(world.dtype, [inn, out], Math.sqrt(2 / inn));
  const weight = inner.input(s.name('w'), w);
  const y = inner.add('MatMul', [given, weight], {}, { name: s.name('L') });
  const key = inner.define(s.name('Given'), [random.chance(0.5) ? inner.add('Relu', [y]) : y]);
  const first = s.store(w, `${s.name('layers.')}.weight`, false);
  const again = random.chance(0.5)
    ? first
    : s.store(world.noise(world.dtype, [inn, out], 0.5), `${s.name('layers.')}.weight`, false);
  const calls = [first, again].map((held) => s.add(key, [x, held], {}, { name: s.name('F') }));
  return s.add('Add', calls);
}

/** Steps and how often each is drawn. */
export const STEPS: readonly (readonly [weight: number, step: Step, differentiable: boolean])[] = [
  [6, (s) => matmulLayer(s), true],
  [5, gemmLayer, true],
  [3, convLayer, true],
  [4, einsumLayer, true],
  [3, fusedLayer, true],
  [1, leftLayer, true],
  [6, unary, true],
  [6, binary, true],
  [2, choice, true],
  [3, normalise, true],
  [2, reduce, true],
  [4, reshape, true],
  [4, move, true],
  [4, join, true],
  [1, unknown, false],
  [3, residual, true],
  [2, attention, true],
  [2, branch, true],
  [1, loop, false],
  [2, scan, true],
  [2, call, true],
];
