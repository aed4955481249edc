import { join } from 'node:path';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import type { SavedPlan } from '../../src/adapter/saved-plan.js';
import { parseInit } from '../../src/init/index.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { type Adapter, apply, extract, merge, rewrite, strip } from '../../src/rewrite.js';
import { Random } from '../fuzz/random.js';
import { adaptersOf } from './adapters.js';
import { Comparison } from './compare.js';
import { writeCase } from './encode.js';
import { checkGradients } from './gradients.js';
import type { Case, ElementType } from './graph.js';
import { sizeOf } from './graph.js';
import type { Adapters } from './interpret.js';
import { rounded } from './round.js';

/** What came of a case. */
export interface Outcome {
  readonly deviations: readonly string[];
  /** comparisons that were made, by kind */
  readonly compared: readonly string[];
  /** codes with which lotrc refused something, behind what it refused */
  readonly refused: readonly string[];
  /** operators of the layers that took adapters */
  readonly layers: readonly string[];
}

/** What lotrc may refuse in a generated case. */
const REFUSALS: ReadonlySet<string> = new Set([
  // a rank that is larger than a layer
  'rewrite LOTR3006',
  // --init svd of convolutions and of quantised weights
  'rewrite LOTR3403',
  // quantised weights
  'merge LOTR3206',
  // --init svd, which leaves the remainders of weights
  'strip LOTR3210',
  // a layer that no output depends on
  'emit onnx-train LOTR5003',
  // functions for gradients where only convolutions and other layers without them are adapted
  'emit onnx-train LOTR5008',
]);

/** How the layers of a case are adapted, drawn for its seed. */
interface Choice {
  readonly spec: AdapterSpec;
  readonly rank: number;
  readonly share: 'shape' | 'site';
  readonly lowering: 'fold' | 'token' | 'function';
  readonly carry: 'embedded' | 'inputs' | 'optional';
  readonly factorDType: 'f32' | 'model';
  readonly tie: 'content' | 'initializer';
  readonly svd: boolean;
}

function choose(random: Random, { dtype, net }: Case): Choice {
  const method = random.pick([LOTR, LORA]);
  const svd = random.chance(0.12);
  const carry = random.pick(['embedded', 'embedded', 'inputs', 'optional'] as const);
  // ONNX Runtime's CPU provider takes out casts to float16 whose results only a subgraph reads
  const nested = net.ops.some(({ attrs }) => Object.values(attrs).some(({ kind }) => kind === 'graph'));
  const half = dtype === 'f16' && !nested;
  return {
    spec: { ...(svd ? parseInit('svd', method) : method), scale: random.pick([1, 2, 0.5]) },
    rank: random.pick([1, 1, 2, 2, 3]),
    share: random.pick(['shape', 'site'] as const),
    lowering: random.pick(['fold', 'fold', 'token', 'function'] as const),
    carry,
    factorDType: half && carry === 'embedded' && random.chance(0.5) ? 'model' : 'f32',
    tie: random.pick(['content', 'initializer'] as const),
    svd,
  };
}

/** Nodes of a case that multiply by a weight, by the names that plans have for them. */
function layerOps(made: Case): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const walk = (ops: Case['net']['ops'], prefix: string): void => {
    for (const op of ops) {
      if (/^L\d/.test(op.name)) found.set(`${prefix}${op.name}`, op.op);
      const fn = made.functions.get(`${op.domain}::${op.op}`);
      if (fn) walk(fn.ops, `${prefix}${op.name}/`);
      for (const attr of Object.values(op.attrs)) if (attr.kind === 'graph') walk(attr.value.ops, prefix);
    }
  };
  walk(made.net.ops, '');
  return found;
}

/** Other numbers for every factor, nowhere zero, that the type they are stored in holds. */
function fresh(adapter: Adapter, random: Random, plan: SavedPlan): Map<string, TensorData> {
  const half = plan.plans[0]?.factorDType as ElementType | undefined;
  return new Map(
    [...adapter.tensors].map(([name, { shape }]) => {
      const values = Array.from({ length: sizeOf(shape) }, () => {
        const value = (random.below(20001) / 10000 - 1) * 0.8 || 0.3;
        return rounded(Math.fround(value), half ?? 'f32');
      });
      return [name, f32Tensor(shape, values)];
    }),
  );
}

/** Runs every command's work on a case and compares what it writes with the case's own evaluation. */
export async function check(made: Case, folder: string): Promise<Outcome> {
  const random = new Random(made.seed, 1);
  const choice = choose(random, made);
  // with optimisation ONNX Runtime rounds the inputs of some quantised products to 8 bits, and factors of float64
  // products to float32
  const exact = made.dtype === 'f64' || made.storage.has('i8') || made.storage.has('u8');
  const drawn = random.pick(['disabled', 'all'] as const);
  const level = exact ? 'disabled' : drawn;
  const comparison = new Comparison(made, level);
  const refused: string[] = [];
  const path = (name: string) => join(folder, `${name}.onnx`);
  writeCase(made, path('base'));
  if (!(await comparison.base(path('base')))) return { ...comparison.outcome(), refused, layers: [] };

  /** Does a piece of work that lotrc may refuse with a diagnostic, and never in another way. */
  const attempt = <T>(what: string, work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      const code = error instanceof LotrcError ? `${what} ${error.diagnostics[0]!.code}` : '';
      if (REFUSALS.has(code)) refused.push(code);
      else comparison.fail(what, error instanceof Error ? (error.stack ?? error.message) : String(error));
      return null;
    }
  };
  const write = (name: string, model: Model): string => {
    const weights = random.pick(['keep', 'copy', 'inline', 'link'] as const);
    writeModel(model, path(name), { weights });
    return path(name);
  };

  const { spec, share, lowering, carry, factorDType, tie, svd } = choice;
  const options = { spec, share, lowering, carry, factorDType, tie, seed: made.seed };
  const result = attempt('rewrite', () => {
    const all = rewrite(readModel(path('base')), { spec, rank: 1, targets: ['.*'], tie, withoutData: true });
    const rows = all.plan.plans.flatMap(({ groups, sites }) => [...groups, ...sites]);
    const least = Math.min(...rows.flatMap((row) => ('in' in row ? [row.in, row.out] : [])));
    const rank = random.chance(0.1) ? choice.rank : Math.min(choice.rank, least);
    // further layers of one module path are named together with the first
    const some = rows
      .filter((row) => 'uses' in row && !row.id.includes(':') && random.chance(0.6))
      .map(({ id }) => `^${id.replaceAll(/[^\w]/g, '\\$&')}$`);
    const targets = some.length > 0 && random.chance(0.3) ? some : ['.*'];
    const model = readModel(path('base'));
    const { plan, adapter } = rewrite(model, { ...options, rank, targets });
    write('start', model);
    return { plan, adapter, rank };
  });
  if (!result) return { ...comparison.outcome(), refused, layers: [] };
  const { plan, adapter, rank } = result;
  const fedBy = (from: Adapter, form: string) => (form === 'inputs' ? from.tensors : new Map());
  const layers = layerOps(made);
  const names = spec.factors.map(({ name }) => name);
  const scale = spec.scale / rank;
  const trained: Adapter = { ...adapter, tensors: fresh(adapter, random, plan) };
  const taken = svd ? adaptersOf(plan, adapter.tensors, -scale, names) : null;
  const adapters: Adapters = new Map(
    [...adaptersOf(plan, trained.tensors, scale, names)].map(([node, own]) => [
      node,
      [...own, ...(taken?.get(node) ?? [])],
    ]),
  );
  for (const node of adapters.keys())
    if (!layers.has(node)) comparison.fail('plan', `no layer is called "${node}"`);
  const wanted = comparison.expect(adapters);
  if (comparison.isFelt(wanted)) comparison.note('felt');
  // factors that may be given are not given: onnxruntime-node cannot, and then nothing is added
  const idle = taken ? comparison.expect(taken) : comparison.plain;
  const unless = (form: string) => (form === 'optional' ? idle : wanted);

  const start = carry === 'optional' ? idle : comparison.plain;
  await comparison.like('rewrite', path('start'), start, { fed: fedBy(adapter, carry), stored: svd });

  // an adapter that took its start from the weights goes where these are
  const under = svd ? path('start') : path('base');
  const adapted = attempt('apply', () => {
    const model = readModel(under);
    apply(model, trained, { carry, lowering, factorDType });
    return write('adapted', model);
  });
  if (!adapted) return { ...comparison.outcome(), refused, layers: [] };
  const fed = fedBy(trained, carry);
  await comparison.like('apply', adapted, unless(carry), { fed, stored: svd });

  const merged = attempt('merge', () => {
    const model = readModel(adapted);
    merge(model, carry === 'embedded' ? undefined : trained);
    return write('merged', model);
  });
  if (merged) await comparison.like('merge', merged, wanted, { stored: true });

  const stripped = attempt('strip', () => {
    const model = readModel(adapted);
    strip(model);
    return write('stripped', model);
  });
  if (stripped) await comparison.like('strip', stripped, comparison.plain);

  const file = join(folder, 'adapter.safetensors');
  const again = attempt('extract', () => {
    const { tensors, metadata } = extract(readModel(adapted), carry === 'embedded' ? undefined : trained);
    writeSafetensors(file, tensors, metadata);
    const other = {
      carry: random.pick(['embedded', 'inputs', 'optional'] as const),
      lowering: random.pick(['fold', 'token', 'function'] as const),
    };
    const model = readModel(under);
    apply(model, readSafetensors(file), other);
    return { path: write('again', model), carry: other.carry, fed: fedBy(trained, other.carry) };
  });
  if (again)
    await comparison.like('extract', again.path, unless(again.carry), { fed: again.fed, stored: svd });

  if (made.differentiable && !svd && random.chance(0.8)) {
    const train = random.pick(['inline', 'functions'] as const);
    const found = await checkGradients(
      { made, model: adapted, trained, folder, plan, names, scale, functions: train === 'functions', level },
      attempt,
    );
    if (typeof found === 'string') comparison.fail('gradients', found);
    else if (found) comparison.note('gradients');
  }
  const ops = new Set([...adapters.keys()].map((node) => layers.get(node) ?? '?'));
  return { ...comparison.outcome(), refused, layers: [...ops] };
}
