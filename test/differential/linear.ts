import { type Attrs, float, int, ints, type Nd, sizeOf, text } from './graph.js';
import { type Sketch, Unsuitable } from './sketch.js';
import { flipped, permuted } from './tensors.js';

/** Steps that multiply by a weight, in the forms that files have. */

const sizeFor = (inn: number): number => Math.sqrt(2 / Math.max(1, inn));

/** A stored matrix as it is read: by which nodes a layer may come to it. */
function matrix(s: Sketch, rows: number, columns: number, inn: number): string {
  const { random, world } = s;
  const { dtype } = world;
  const reachable = (first: number, second: number) =>
    world.weights.filter(
      ({ name, value }) =>
        s.scope.has(name) && value.dtype === dtype && value.shape.join() === `${first},${second}`,
    );
  const [held, turned] = [reachable(rows, columns), reachable(columns, rows)];
  if (held.length > 0 && random.chance(0.35)) return random.pick(held).name;
  if (turned.length > 0 && random.chance(0.35)) {
    return s.add('Transpose', [random.pick(turned).name], random.chance(0.5) ? { perm: ints([1, 0]) } : {});
  }
  const store = (value: Nd): string => {
    const stem = random.pick(['layers.', 'onnx::MatMul_', 'w']);
    const name = `${s.name(stem)}${stem === 'layers.' ? '.weight' : ''}`;
    s.store(value, name);
    world.weights.push({ name, value });
    world.storage.add(value.dtype);
    return name;
  };
  const fresh = (shape: readonly number[], own = dtype) => world.noise(own, shape, sizeFor(inn));
  const twin = world.weights.find(
    ({ value }) => value.dtype === dtype && value.shape.join() === `${rows},${columns}`,
  );
  switch (random.below(14)) {
    case 0:
      return s.add('Transpose', [store(fresh([columns, rows]))], { perm: ints([1, 0]) });
    case 1: {
      const narrow = dtype === 'f16' ? 'f32' : random.pick(['f16', 'bf16'] as const);
      return s.add('Cast', [store(fresh([rows, columns], narrow))], {
        to: int(dtype === 'f64' ? 11 : dtype === 'f16' ? 10 : 1),
      });
    }
    case 2:
      return s.add('Identity', [store(fresh([rows, columns]))]);
    case 3: {
      const narrow = dtype === 'f16' ? 'f32' : 'f16';
      const cast = s.add('Cast', [store(fresh([columns, rows], narrow))], {
        to: int(dtype === 'f64' ? 11 : dtype === 'f16' ? 10 : 1),
      });
      return s.add('Transpose', [cast]);
    }
    case 4:
      return quantised(s, rows, columns, inn);
    case 5:
      return part(s, rows, columns, store(fresh([rows + 2, columns + 1])));
    case 6:
      return s.add('Reshape', [
        store(fresh(rows % 2 === 0 ? [rows / 2, 2, columns] : [1, rows, columns])),
        s.wholes([rows, columns]),
      ]);
    case 7: {
      // equal in content, stored again
      if (!twin) return store(fresh([rows, columns]));
      return random.chance(0.5)
        ? store(twin.value)
        : s.add('Transpose', [store(flipped(twin.value))], { perm: ints([1, 0]) });
    }
    default:
      return store(fresh([rows, columns]));
  }
}

/** 8-bit numbers with one scale, or one for each row or column. */
function quantised(s: Sketch, rows: number, columns: number, inn: number): string {
  const { random, world } = s;
  if (world.dtype !== 'f32') throw new Unsuitable('quantised');
  const dtype = random.pick(['i8', 'u8'] as const);
  world.storage.add(dtype);
  const shift = dtype === 'i8' ? -127 : 0;
  const packed: Nd = {
    dtype,
    shape: [rows, columns],
    data: Float64Array.from({ length: rows * columns }, () => random.below(255) + shift),
  };
  const axis = random.below(3) - 1;
  const shape = axis < 0 ? [] : [packed.shape[axis]!];
  const scale = world.noise('f32', shape, 0.2);
  const scales = { ...scale, data: scale.data.map((v) => Math.fround((sizeFor(inn) / 127) * (1 + v))) };
  const zero: Nd = {
    dtype,
    shape,
    data: Float64Array.from({ length: sizeOf(shape) }, () => random.below(9) + 124 + shift),
  };
  const inputs = [s.store(packed, s.name('q')), s.store(scales), s.store(zero)];
  if (dtype === 'i8' && random.chance(0.4)) inputs.pop();
  return s.add('DequantizeLinear', inputs, axis < 0 ? {} : { axis: int(axis) });
}

/** Some rows and columns of a larger stored matrix. */
function part(s: Sketch, rows: number, columns: number, whole: string): string {
  if (s.random.chance(0.5)) {
    const names = [s.name(), s.name()];
    s.add('Split', [whole, s.wholes([rows, 2])], { axis: int(0) }, { outputs: names });
    return s.add('Slice', [names[0]!, s.wholes([1]), s.wholes([columns + 1]), s.wholes([1])]);
  }
  return s.add('Slice', [whole, s.wholes([2, 0]), s.wholes([rows + 2, columns]), s.wholes([0, 1])]);
}

const layerName = (s: Sketch): string => s.name('L');

const width = (s: Sketch): number => s.random.pick([1, 2, 3, 4, 5, 6, 7, 8]);

/** The bias after a product, in an Add of either order. */
function biased(s: Sketch, product: string): string {
  const out = s.value(product).shape.at(-1)!;
  if (s.random.chance(0.5)) return product;
  const bias = s.store(s.world.noise(s.world.dtype, [out], 0.5), `${s.name('layers.')}.bias`);
  return s.add('Add', s.random.chance(0.5) ? [product, bias] : [bias, product]);
}

const ofType = (s: Sketch) => (value: Nd) => value.dtype === s.world.dtype;

export function matmulLayer(s: Sketch, out = width(s), from?: string): string {
  const x = from ?? s.pick((value) => ofType(s)(value) && value.shape.length >= 1 && value.shape.at(-1)! > 0);
  const inn = s.value(x).shape.at(-1)!;
  return biased(s, s.add('MatMul', [x, matrix(s, inn, out, inn)], {}, { name: layerName(s) }));
}

/** A constant on the left, which is not a layer that takes an adapter. */
export function leftLayer(s: Sketch): string {
  const x = s.pick((value) => ofType(s)(value) && value.shape.length >= 2 && value.shape.at(-2)! > 0);
  const inn = s.value(x).shape.at(-2)!;
  return s.add('MatMul', [matrix(s, width(s), inn, inn), x], {}, { name: layerName(s) });
}

export function gemmLayer(s: Sketch): string {
  const { random } = s;
  const x = s.pick((value) => ofType(s)(value) && value.shape.length === 2 && !value.shape.includes(0));
  const transA = random.chance(0.1);
  const transB = random.chance(0.5);
  const [rows, inn] = transA ? s.value(x).shape.toReversed() : s.value(x).shape;
  const out = width(s);
  const w = transB ? matrix(s, out, inn!, inn!) : matrix(s, inn!, out, inn!);
  const shape = random.pick<readonly number[] | null>([
    null,
    [out],
    [1, out],
    [rows!, 1],
    [rows!, out],
    [1],
    [],
  ]);
  const c = shape ? [s.store(s.world.noise(s.world.dtype, shape, 0.5), `${s.name('layers.')}.bias`)] : [];
  const attrs: Attrs = {
    ...(transA ? { transA: int(1) } : {}),
    ...(transB ? { transB: int(1) } : random.chance(0.3) ? { transB: int(0) } : {}),
    ...(random.chance(0.3) ? { alpha: float(random.pick([0.5, -1.5, 2])) } : {}),
    ...(random.chance(0.3) ? { beta: float(random.pick([0.5, -1, 0])) } : {}),
  };
  return s.add('Gemm', [x, w, ...c], attrs, { name: layerName(s) });
}

export function fusedLayer(s: Sketch): string {
  const { random } = s;
  if (s.world.dtype !== 'f32') throw new Unsuitable('FusedMatMul');
  const x = s.pick((value) => ofType(s)(value) && value.shape.length >= 2 && !value.shape.includes(0));
  const transB = random.chance(0.5);
  const transA = random.chance(0.1);
  const inn = s.value(x).shape.at(transA ? -2 : -1)!;
  const out = width(s);
  const attrs: Attrs = {
    ...(transB ? { transB: int(1) } : {}),
    ...(transA ? { transA: int(1) } : {}),
    ...(random.chance(0.4) ? { alpha: float(random.pick([0.5, -0.75, 1])) } : {}),
  };
  const w = transB ? matrix(s, out, inn, inn) : matrix(s, inn, out, inn);
  return s.add('com.microsoft::FusedMatMul', [x, w], attrs, { name: layerName(s) });
}

export function convLayer(s: Sketch): string {
  const { random, world } = s;
  if (world.dtype === 'f64') throw new Unsuitable('Conv');
  const x = s.pick(
    (value) => ofType(s)(value) && [3, 4].includes(value.shape.length) && !value.shape.includes(0),
  );
  const [, channels, ...extents] = s.value(x).shape as [number, number, ...number[]];
  const window = extents.map((extent) => (random.chance(0.5) ? 1 : Math.min(extent, random.pick([1, 2, 3]))));
  const divisors = [1, 2, 3, 4].filter((count) => channels % count === 0);
  const group = random.chance(0.4) ? random.pick(divisors) : 1;
  const out = group * random.pick([1, 2, 3]);
  const shape = [out, channels / group, ...window];
  const w = world.noise(world.dtype, shape, sizeFor(sizeOf(shape.slice(1))));
  const name = s.store(w, `${s.name('conv.')}.weight`);
  const bias = random.chance(0.5)
    ? [s.store(world.noise(world.dtype, [out], 0.5), `${s.name('conv.')}.bias`)]
    : [];
  const two = <T>(list: readonly T[]): T[] => [...list, ...list];
  const attrs: Attrs = {
    ...(group > 1 ? { group: int(group) } : {}),
    ...(random.chance(0.4) ? { strides: ints(window.map(() => random.pick([1, 2]))) } : {}),
    ...(random.chance(0.4)
      ? { pads: ints(two(window.map((extent) => (extent > 1 ? random.below(2) : 0)))) }
      : {}),
    ...(random.chance(0.5) ? { kernel_shape: ints(window) } : {}),
  };
  return s.add('Conv', [x, name, ...bias], attrs, { name: layerName(s) });
}

/** Equations by the rank of x: what is a product with one matrix, in many orders of the axes, and one that is not. */
const EQUATIONS: ReadonlyMap<number, readonly string[]> = new Map([
  [2, ['bi,io->bo', 'bi,oi->bo', 'bi,io->ob', '...i,io->...o']],
  [
    3,
    [
      'bsi,io->bso',
      'bsi,oi->bso',
      'bsi,ihd->bshd',
      'bsi,ihd->bhsd',
      'bhd,hdo->bo',
      'bsi,si->bs',
      '...i,oi->...o',
      'bis,io->bos',
    ],
  ],
  [4, ['bshd,hdo->bso', 'bhsd,hdo->bso', 'abci,io->abco', 'abci,acio->abco']],
]);

export function einsumLayer(s: Sketch): string {
  const { random, world } = s;
  const x = s.pick(
    (value) => ofType(s)(value) && EQUATIONS.has(value.shape.length) && !value.shape.includes(0),
  );
  const { shape } = s.value(x);
  const equation = random.pick(EQUATIONS.get(shape.length)!);
  const [left = '', weight = ''] = equation.split('->')[0]!.split(',');
  const extents = new Map<string, number>();
  if (left.includes('...')) extents.set('i', shape.at(-1)!);
  else for (const [axis, letter] of [...left].entries()) extents.set(letter, shape[axis]!);
  const own = [...weight].map((letter) => {
    const extent = extents.get(letter) ?? random.pick([1, 2, 3, 4]);
    extents.set(letter, extent);
    return extent;
  });
  const inn = [...weight].reduce(
    (product, letter) => product * (left.includes(letter) ? extents.get(letter)! : 1),
    1,
  );
  const value = world.noise(world.dtype, own, sizeFor(inn));
  const name = s.store(value, `${s.name('layers.')}.weight`);
  const w = random.chance(0.2)
    ? s.add('Transpose', [s.store(permuted(value, turn(own)))], { perm: ints(turn(own)) })
    : name;
  const swapped = random.chance(0.2) && !equation.includes('...');
  const written = swapped ? `${weight},${left}->${equation.split('->')[1]}` : equation;
  return s.add(
    'Einsum',
    swapped ? [w, x] : [x, w],
    { equation: text(written) },
    { name: layerName(s), weight: swapped ? 0 : 1 },
  );
}

/** The first two axes change places: its own inverse. */
const turn = (shape: readonly number[]): number[] => [1, 0, ...shape.slice(2).map((_, axis) => axis + 2)];
