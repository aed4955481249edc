import { expect } from 'vitest';
import { placesOf, type TensorPlace } from '../../src/backends/host/shared/tables.js';
import type { AdaptedLayers } from '../../src/backends/kernel/model/layers.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import type { OptimizerKind } from '../../src/train/optimizers/index.js';
import { partOf, RATE, rateOf, reference, STEPPING } from './host-layers.js';
import { values } from './kernel-cases.js';
import { worstError } from './kernel-run.js';

/** Largest error of results in float32. */
export const EXACT = 2e-6;

/** Places of the weights and of the factors of a plan. */
export const allPlaces = ({ buffers }: KernelPlan): Readonly<Record<string, readonly TensorPlace[]>> => ({
  ...placesOf(buffers, 'weight'),
  ...placesOf(buffers, 'step'),
});

/** Numbers for the tensors of these places. */
export const tensorsOf = (
  places: Readonly<Record<string, readonly TensorPlace[]>>,
  seed: number,
): Record<string, readonly number[]> =>
  Object.fromEntries(
    Object.entries(places).map(([name, [place]], index) => [
      name,
      [...values(place!.rows * place!.cols, seed + index)],
    ]),
  );

/** How many numbers of a buffer are the caller's. */
export function elementsOf({ buffers }: KernelPlan, name: string, tokens: number): number {
  const { shape, border = 0 } = buffers.find((buffer) => buffer.name === name)!;
  const [rows, cols = 1] = shape;
  return (rows === 'M' ? tokens : Number(rows)) * (Number(cols) - border);
}

/** Numbers for every x and dy of a plan whose rows have no borders. */
export const inputsOf = (plan: KernelPlan, tokens: number): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(
    plan.buffers
      .filter(({ name }) => /^(x|dy)_/.test(name))
      .map(({ name }, index) => [name, [...values(elementsOf(plan, name, tokens), 50 + index)]]),
  );

/** What a host of a plan for training is called and checked with. */
export interface TwoPasses {
  /** forward and backward of every region, then the gradients */
  readonly pass: readonly (
    | readonly [kind: 'forward' | 'backward', region: number]
    | readonly [kind: 'gradients']
  )[];
  /** buffers to read after each pass: y, dx and gradients */
  readonly read: readonly string[];
  /** buffers of trained factors, to read after the step */
  readonly stepped: readonly string[];
  /** every factor and how many numbers it has, to read under its own name after the last step: `factor NAME` */
  readonly adapter: readonly (readonly [name: string, count: number])[];
  /**
   * Compares what was read after a pass, after a step (the numbers of STEPPING), under the name with ` again` after another
   * pass, and with ` twice` after another step, with float64. Results are held to `bound`; where that is larger than EXACT the
   * rounding must show, and the steps are held to the gradients that were found: they are of their signs, which may be all
   * rounding.
   */
  check(reads: Readonly<Record<string, ArrayLike<number>>>, bound: number): void;
}

/** Two passes, each with a step, over the layers of host-layers.ts, from these tensors and inputs. */
export function twoPasses(
  found: AdaptedLayers,
  plan: KernelPlan,
  tensors: Readonly<Record<string, ArrayLike<number>>>,
  inputs: Readonly<Record<string, ArrayLike<number>>>,
  optimizer: OptimizerKind = 'adamw',
): TwoPasses {
  const places = allPlaces(plan);
  const regions = found.regions.map((_, index) => index);
  const factors = new Set(found.regions.flatMap(({ layers }) => layers.flatMap((layer) => layer.factors)));
  const results = plan.buffers.filter(({ name }) => /^(yb?|dx)_/.test(name)).map(({ name }) => name);
  const gradients = plan.buffers.flatMap(({ name, gradientOf }) =>
    gradientOf ? [{ name, gradientOf }] : [],
  );
  return {
    pass: [
      ...regions.map((region) => ['forward', region] as const),
      ...regions.map((region) => ['backward', region] as const),
      ['gradients'],
    ],
    read: [...results, ...gradients.map(({ name }) => name)],
    stepped: gradients.map(({ gradientOf }) => gradientOf),
    adapter: [...factors].map((name) => [name, tensors[name]!.length]),
    check: (reads, bound) => {
      const after: Record<string, ArrayLike<number>> = { ...tensors };
      const gradientsOf = new Map<string, (readonly number[])[]>();
      const { way } = STEPPING[optimizer]!;
      const checkPass = (suffix: string, expected: ReturnType<typeof reference>) => {
        for (const name of results) {
          const error = worstError(reads[name + suffix]!, expected[name.replace('yb', 'y')]!.flat());
          expect(error, name + suffix).toBeLessThan(bound);
          // what is rounded shows
          if (bound !== EXACT) expect(error, name + suffix).toBeGreaterThan(EXACT);
        }
        for (const name of factors) {
          const multiplier = rateOf(found, name);
          if (multiplier === null) {
            const own = places[name]!.map(({ buffer }) => buffer);
            expect(gradients.filter(({ gradientOf }) => own.includes(gradientOf))).toEqual([]);
            continue;
          }
          const [place] = places[name]!;
          const gradient = gradients.find(({ gradientOf }) => gradientOf === place!.buffer)!;
          const own = partOf(reads[gradient.name + suffix]!, place!);
          const wanted = expected[name]!.flat();
          expect(worstError(own, wanted), `gradient of ${name}${suffix}`).toBeLessThan(bound);
          const steps = [...(gradientsOf.get(name) ?? []), bound === EXACT ? wanted : own];
          gradientsOf.set(name, steps);
          const stepped = partOf(reads[place!.buffer + (suffix && ' twice')]!, place!);
          const moved = Array.from(tensors[name]!, (from, i) =>
            way(
              from,
              steps.map((gradient) => gradient[i]!),
              multiplier * RATE,
            ),
          );
          expect(worstError(stepped, moved), `step of ${name}${suffix}`).toBeLessThan(EXACT);
          after[name] = stepped;
        }
      };
      checkPass('', reference(found, tensors, inputs));
      checkPass(' again', reference(found, after, inputs));
      for (const name of factors) {
        const [place] = places[name]!;
        const trained = rateOf(found, name) !== null;
        const now = trained ? partOf(reads[`${place!.buffer} twice`]!, place!) : tensors[name]!;
        const own = Array.from(reads[`factor ${name}`] ?? []);
        expect(own, `${name} as it is read`).toEqual(Array.from(Float32Array.from(now)));
      }
    },
  };
}
