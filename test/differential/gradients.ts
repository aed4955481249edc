import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { toF32, toF64 } from '../../src/ir/values.js';
import type { Adapter } from '../../src/rewrite.js';
import type { Signature } from '../../src/train/signature.js';
import { Random } from '../fuzz/random.js';
import { runOrt, type Tensor } from '../support/ort.js';
import { adaptersOf } from './adapters.js';
import { feedOf } from './compare.js';
import type { Case } from './graph.js';
import { evaluate } from './interpret.js';

export interface GradientCase {
  readonly made: Case;
  /** the file with the adapters in it */
  readonly model: string;
  readonly trained: Adapter;
  readonly folder: string;
  readonly plan: SavedPlan;
  readonly names: readonly string[];
  readonly scale: number;
  readonly functions: boolean;
  readonly level: 'disabled' | 'all';
}

const STEP = 1e-4;

/** Elements of a factor that are compared one by one. */
const ELEMENTS = 6;

/** Of the largest derivative of all. */
const TOLERANCE = 2e-4;

/**
 * Compares the gradients that grad.onnx computes with central differences of the case's own evaluation. Returns what
 * deviates, whether anything was compared, or null when lotrc refused.
 */
export async function checkGradients(
  { made, model, trained, folder, plan, names, scale, functions, level }: GradientCase,
  attempt: <T>(what: string, work: () => T) => T | null,
): Promise<string | boolean> {
  const target = join(folder, 'train');
  const random = new Random(made.seed, 2);
  const plain = evaluate(made);
  // a loss over every output that has elements
  const outputs = made.net.outputs
    .filter(({ name }) => plain.get(name)!.data.length > 0)
    .map(({ name }, k) => {
      const { shape, data } = plain.get(name)!;
      const labels = data.map((_, i) => Math.fround(Math.sin(i + k + 1)));
      return { name, weight: k === 0 ? 1 : 0.5, shape, labels };
    });
  const emitted = attempt('emit onnx-train', () =>
    emitTraining({
      open: () => readModel(model),
      adapter: trained,
      folder: target,
      options: {
        ...TRAIN_DEFAULTS,
        terms: outputs.map(({ name, weight }) => ({ kind: 'mse', output: name, weight })),
        maxNorm: null,
        recompute: random.pick(['none', 'cheap', 'block'] as const),
        keepFunctions: functions,
      },
    }),
  );
  if (!emitted) return false;
  const signature = JSON.parse(readFileSync(join(target, 'signature.json'), 'utf8')) as Signature;
  const graph = signature.graphs.grad!;

  const feeds: Record<string, Tensor> = {};
  for (const { name, role, param, scalar, term = 0 } of graph.inputs) {
    if (role === 'label') {
      const { shape, labels } = outputs[term]!;
      feeds[name] = { dtype: 'float32', shape, data: Float32Array.from(labels) };
    } else if (role === 'param') {
      const data = trained.tensors.get(param ?? name)!;
      feeds[name] = { dtype: 'float32', shape: data.shape, data: toF32(data) };
    } else if (role === 'scalar') {
      const value = scalar === 'divisor' ? outputs[term]!.labels.length : 1;
      feeds[name] = { dtype: 'float32', shape: [], data: Float32Array.of(value) };
    } else if (made.feeds.has(name)) feeds[name] = feedOf(made.feeds.get(name)!);
    else return `an input "${name}" of role ${role}`;
  }
  let results: Record<string, Tensor>;
  try {
    results = await runOrt(join(target, graph.file), feeds, { level });
  } catch (error) {
    return `ONNX Runtime: ${error instanceof Error ? error.message : String(error)}`;
  }

  const loss = (name: string, element: number, by: number): number => {
    const held = trained.tensors.get(name)!;
    const values = Float64Array.from(toF64(held));
    if (element >= 0) values[element]! += by;
    const adapters = adaptersOf(plan, trained.tensors, scale, names, new Map([[name, values]]));
    const results = evaluate(made, adapters);
    return outputs.reduce((sum, { name: output, weight, labels }) => {
      const { data } = results.get(output)!;
      return sum + (weight * data.reduce((total, v, i) => total + (v - labels[i]!) ** 2, 0)) / data.length;
    }, 0);
  };
  const slope = (name: string, element: number, step: number): number =>
    (loss(name, element, step) - loss(name, element, -step)) / (2 * step);

  const lossPort = graph.outputs.find(({ role }) => role === 'loss')!;
  const whole = loss(trained.tensors.keys().next().value!, -1, 0);
  const given = Number(results[lossPort.name]!.data[0]);
  if (!(Math.abs(given - whole) <= 1e-4 * Math.max(1, whole))) return `the loss is ${given}, not ${whole}`;

  const rows: {
    readonly name: string;
    readonly element: number;
    readonly found: number;
    readonly wanted: number;
  }[] = [];
  for (const { name, role, param } of graph.outputs) {
    if (role !== 'grad') continue;
    const found = results[name]!.data as Float32Array;
    for (let k = 0; k < Math.min(ELEMENTS, found.length); k++) {
      const element = found.length <= ELEMENTS ? k : random.below(found.length);
      const wanted = slope(param!, element, STEP);
      // near a kink of Relu, Max or Clip two steps give two slopes
      const half = slope(param!, element, STEP / 8);
      if (Math.abs(wanted - half) > 1e-6 * Math.max(1, Math.abs(wanted))) continue;
      rows.push({ name: param!, element, found: found[element]!, wanted: half });
    }
  }
  const size = rows.reduce((most, { wanted }) => Math.max(most, Math.abs(wanted)), 1e-2);
  const wrong = rows.find(({ found, wanted }) => !(Math.abs(found - wanted) <= TOLERANCE * size));
  if (wrong)
    return `of ${wrong.name}[${wrong.element}] is ${wrong.found}, not ${wrong.wanted} (the largest is ${size})`;
  return rows.length > 0;
}
