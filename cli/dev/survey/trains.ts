import { join } from 'node:path';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { type InputOptions, makeInputs } from '../../../src/backends/ort/inputs.js';
import type { OrtProcess } from '../../../src/backends/ort/process.js';
import { isFloat } from '../../../src/ir/dtype.js';
import type { Model, Value } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { topologicalOrder } from '../../../src/ir/topo.js';
import { requirePlan } from '../../../src/passes/adapters/plan.js';
import { dependents } from '../../../src/passes/dependents.js';
import type { Signature } from '../../../src/train/signature.js';
import { adapt } from './adapt.js';
import { type Checked, checkGradient } from './gradient-check.js';

export interface TrainsRequest {
  readonly base: string;
  readonly adapted: string;
  /** inputs on which the base runs; null: ONNX Runtime does not run it */
  readonly inputs: InputOptions | null;
  /** for files */
  readonly scratch: string;
  readonly host: OrtProcess;
}

/** Largest relative error that a central difference in that arithmetic may show. */
const TOLERANCE = { f32: 1e-2, half: 0.1 };
/** how often new factors are drawn when the differences settle nothing: a kink nearby, or a slope near zero */
const DRAWS = 3;

/**
 * Emits training graphs and checks their gradients against differences of the loss. Of several outputs the one that
 * most adapters lead to is taken, and adapters that do not lead there are left out, as the hint of LOTR5003 says. Returns
 * what was found; throws LotrcError where lotrc refuses and a plain Error where a gradient is wrong.
 */
export async function trains(request: TrainsRequest): Promise<string> {
  const { scratch, host, inputs } = request;
  let model = readModel(request.adapted);
  let path = request.adapted;
  const output = bestOutput(model);
  const said: string[] = [];
  if (output && output.sites.length > 0 && output.sites.length < output.all) {
    path = join(scratch, 'reached.onnx');
    adapt(request.base, path, { targets: output.sites.map((id) => `glob:${id}`) });
    model = readModel(path);
    said.push(`${output.sites.length} of ${output.all} sites lead to "${output.value.name}"`);
  }
  const loss = lossFor(output?.value);
  const folder = join(scratch, 'train');
  const { signature } = emitTraining({
    open: () => readModel(path),
    folder,
    options: { ...TRAIN_DEFAULTS, loss, logits: output?.value.name },
    base: 'auto',
  });
  if (!inputs) return ['graphs emitted, not run: ONNX Runtime does not run the base', ...said].join('; ');
  const logits = output!.value.name;
  const batch = Object.fromEntries(makeInputs(model, inputs));
  const half = computesInHalf(model);
  const checked = await settled(signature, half, (seed) =>
    checkGradient({ folder, signature, batch, logits }, host, seed),
  );
  return [
    `gradient within ${checked.relative.toExponential(1)} (${loss}${half ? ', 16 bits' : ''})`,
    ...said,
  ].join('; ');
}

/** Throws a plain Error when the gradients are wrong or nothing can be said about them. */
async function settled(
  signature: Signature,
  half: boolean,
  check: (seed: number) => Promise<Checked>,
): Promise<Checked> {
  const tolerance = half ? TOLERANCE.half : TOLERANCE.f32;
  let last: Checked | null = null;
  for (let seed = 1; seed <= DRAWS; seed++) {
    last = await check(seed);
    if (last.random) return last;
    // the loss does not move at all, and the gradient says so
    if (last.slope === 0 && Number.isNaN(last.relative)) return { ...last, relative: 0 };
    if (last.relative <= tolerance) return last;
    // differences that agree with each other and not with the gradient leave no doubt
    if (last.spread <= tolerance / 3) break;
  }
  const { relative, spread, slope, loss } = last!;
  throw new Error(
    `the gradient of ${signature.params.length} factors is off by ${relative.toExponential(1)} (differences agree ` +
      `to ${spread.toExponential(1)}; slope ${slope.toExponential(1)}, loss ${loss.toExponential(1)})`,
  );
}

interface Reached {
  readonly value: Value;
  /** sites that the output depends on */
  readonly sites: readonly string[];
  /** number of all sites */
  readonly all: number;
}

/** The floating-point output that depends on most sites; the first of several. */
function bestOutput(model: Model): Reached | null {
  const { graph } = model;
  const order = topologicalOrder(graph);
  const floats = graph.outputs.filter(({ type }) => type?.kind === 'tensor' && isFloat(type.dtype));
  const sites = requirePlan(model, 'survey').plans.flatMap((row) => row.sites);
  const leadsTo = new Map(floats.map((value) => [value, [] as string[]]));
  for (const { id, factors } of sites) {
    const made = new Set(dependents(graph, order, Object.values(factors)).flatMap(({ outputs }) => outputs));
    for (const value of floats) if (made.has(value)) leadsTo.get(value)!.push(id);
  }
  let best: Reached | null = null;
  for (const [value, reached] of leadsTo) {
    if (!best || reached.length > best.sites.length) best = { value, sites: reached, all: sites.length };
  }
  return best;
}

/** Cross-entropy where the output may be logits: a known number of classes behind at least one other axis. */
function lossFor(output: Value | undefined): 'cross-entropy' | 'mse' {
  const shape = output?.type?.kind === 'tensor' ? output.type.shape : null;
  const classes = shape?.at(-1);
  return shape && shape.length >= 2 && typeof classes === 'number' && classes > 1 ? 'cross-entropy' : 'mse';
}

function computesInHalf(model: Model): boolean {
  return [...model.everyNode()].some(({ outputs }) =>
    outputs.some(({ type }) => type?.kind === 'tensor' && (type.dtype === 'f16' || type.dtype === 'bf16')),
  );
}
