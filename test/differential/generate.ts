import { Random } from '../fuzz/random.js';
import { type Case, type ElementType, isFloating, type Nd, nd } from './graph.js';
import { matmulLayer } from './linear.js';
import { Sketch, World } from './sketch.js';
import { STEPS } from './steps.js';

const TOTAL = STEPS.reduce((sum, [weight]) => sum + weight, 0);

/** A graph of random operators with at least one linear layer, the same for a seed. */
export function generate(seed: number): Case {
  const random = new Random(seed, 0);
  const opset = random.pick([17, 17, 18, 20, 21]);
  const dtype = random.pick<ElementType>(['f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f32', 'f64', 'f16']);
  const world = new World(random, opset, dtype);
  const s = new Sketch(world);
  const feeds = new Map<string, Nd>();
  const symbolic = random.chance(0.5);
  const empty = random.chance(0.04);
  const feed = (stem: string, value: Nd) => {
    const name = s.name(stem);
    const dims = value.shape.map((extent, axis) =>
      symbolic && random.chance(0.5) ? `${name}_${axis}` : extent,
    );
    feeds.set(s.input(name, value, dims), value);
  };
  for (let k = random.pick([1, 1, 2, 3]); k > 0; k--) {
    const shape = Array.from({ length: random.pick([1, 2, 2, 3, 3, 4]) }, () =>
      random.pick([1, 2, 3, 4, 5, 7]),
    );
    if (empty && shape.length > 1) shape[0] = 0;
    feed('x', world.noise(dtype, shape));
  }
  if (random.chance(0.3)) feed('choice', nd('bool', [], [random.below(2)]));
  while (!s.attempt(() => matmulLayer(s)));
  let differentiable = dtype === 'f32' && !empty;
  for (let left = 4 + random.below(12), tries = 0; left > 0 && tries < 60; tries++) {
    const [, step, derivable] = draw(random);
    if (!s.attempt(() => step(s))) continue;
    left--;
    if (!derivable) differentiable = false;
  }
  return { ...finish(seed, s, random), opset, dtype, functions: world.functions, feeds, differentiable };
}

function draw(random: Random): (typeof STEPS)[number] {
  let at = random.below(TOTAL);
  return STEPS.find(([weight]) => (at -= weight) < 0)!;
}

/** The last value and a few others that nothing reads are outputs. */
function finish(
  seed: number,
  s: Sketch,
  random: Random,
): Pick<Case, 'seed' | 'net' | 'external' | 'storage'> {
  const made = s.ops
    .flatMap(({ outputs }) => outputs)
    .filter((name) => s.scope.has(name) && isFloating(s.value(name).dtype));
  const read = new Set(s.ops.flatMap(({ inputs }) => inputs));
  const kept = made.filter(
    (name, k) => k === made.length - 1 || (!read.has(name) && random.chance(0.95)) || random.chance(0.03),
  );
  const outputs = [...new Set(kept)];
  const declared = made
    .filter((name) => !outputs.includes(name) && random.chance(0.1))
    .map((name) => s.port(name, true));
  const symbolic = s.inputs.some(({ dims }) => dims?.some((dim) => typeof dim === 'string'));
  // extents that a file declares must hold for every extent of its inputs
  const net = s.net('main', outputs, !symbolic && random.chance(0.7), symbolic ? [] : declared);
  return { seed, net, external: random.chance(0.25), storage: s.world.storage };
}
