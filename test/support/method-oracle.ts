import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { factorNames, planFactors } from '../../src/adapter/plan-factors.js';
import type { Lowering, SavedPlan } from '../../src/adapter/saved-plan.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { toF64 } from '../../src/ir/values.js';
import { insertAdapters } from '../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../src/passes/adapters/lower.js';
import { shareFactors } from '../../src/passes/adapters/share-factors.js';
import { toFunctions } from '../../src/passes/adapters/to-functions.js';
import { writePlan } from '../../src/passes/plan/plan.js';
import { parseShare } from '../../src/passes/sites/groups.js';
import { selectSites } from '../../src/passes/sites/plan.js';
import { matrix, times, turn } from './layers.js';
import type { Oracle } from './oracle.js';
import { sharedDir } from './shared.js';

interface MethodJson {
  readonly description: {
    readonly delta: string;
    readonly extents?: AdapterSpec['extents'];
    readonly detachNorm?: true;
    readonly scaleBias?: true;
    readonly factors: readonly { readonly name: string; readonly slice?: true }[];
  };
  readonly model: string;
  readonly inputs: readonly string[];
  readonly logits: string;
  readonly rank: number;
  readonly effective_scale: number;
  readonly share: string;
  readonly targets: readonly string[];
  readonly trainable_parameters: number;
  readonly base: 'keep' | 'residual';
  readonly sites: readonly {
    readonly module: string;
    readonly nodes: readonly { readonly weight: string; readonly trans_b: boolean }[];
    readonly factors: Readonly<Record<string, string>>;
  }[];
}

/** PyTorch's numbers for a method on a model, under the names that lotrc gives the factors. */
export interface MethodOracle extends Oracle {
  readonly trainable: number;
  readonly plan: SavedPlan;
  readonly factors: ReadonlyMap<string, TensorData>;
}

/** What the files call a method. */
const CASE_OF: Readonly<Record<string, string>> = {
  'randlora-simple': 'randlora',
  randlora: 'randlora-full',
};

/** The description with the extents and leading parts of the numbers, which may be others than those that lotrc comes with. */
function asRecorded(spec: AdapterSpec, { description, effective_scale }: MethodJson): AdapterSpec {
  const { extents: _extents, detachNorm: _detached, scaleBias: _scaled, tall, ...wide } = spec;
  // one form for all layers, whatever their extents are
  const rest = tall?.delta === description.delta ? { ...wide, ...tall } : wide;
  const { detachNorm, scaleBias } = description;
  return {
    ...rest,
    ...(detachNorm ? { detachNorm } : {}),
    ...(scaleBias ? { scaleBias } : {}),
    scale: effective_scale,
    scaling: 'none',
    ...(description.extents ? { extents: description.extents } : {}),
    factors: rest.factors.map(({ slice: _slice, ...factor }, k) => ({
      ...factor,
      ...(description.factors[k]!.slice ? { slice: true } : {}),
    })),
  };
}

/** A copy of the model whose weights lack s times the product of two factors. */
function withoutResidual(path: string, json: MethodJson, tensors: ReadonlyMap<string, TensorData>): string {
  const model = readModel(path);
  for (const { nodes, factors } of json.sites) {
    const parts = json.description.factors.map(({ name }) =>
      matrix(tensors.get(`residual.${factors[name]!}`)!),
    );
    const product = parts.reduce(times);
    for (const { weight, trans_b } of nodes) {
      const held = model.graph.own(weight)!;
      const { data } = trans_b ? turn(product) : product;
      const values = toF64(held.constant!).map((w, k) => w - json.effective_scale * data[k]!);
      held.setConstant(f32Tensor(held.constant!.shape, values));
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-residual-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const copy = join(folder, json.model);
  writeModel(model, copy);
  return copy;
}

/** The numbers for a method on `bert`, or on another model of the shared folder; null where there are none. */
export function methodOracle(spec: AdapterSpec, on = 'bert'): MethodOracle | null {
  const shared = sharedDir();
  const own = join(import.meta.dirname, '../data/methods');
  const folder = on === 'bert' ? own : shared && join(shared, 'oracle/methods');
  const stem = folder && join(folder, `${on}.${CASE_OF[spec.method] ?? spec.method}`);
  if (!folder || !stem || !existsSync(`${stem}.json`)) return null;
  const json = JSON.parse(readFileSync(`${stem}.json`, 'utf8')) as MethodJson;
  const { tensors } = readSafetensors(`${stem}.safetensors`);
  const kept = join(folder, json.model);
  const path = json.base === 'residual' ? withoutResidual(kept, json, tensors) : kept;
  const { plan } = selectSites(readModel(path), {
    rank: json.rank,
    spec: asRecorded(spec, json),
    targets: json.targets,
    share: parseShare(json.share),
  });
  const renamed = new Map<string, TensorData>();
  for (const name of ['labels', 'logits', ...json.inputs.map((input) => `input.${input}`)])
    renamed.set(name, tensors.get(name)!);
  const factors = new Map<string, TensorData>();
  for (const row of plan.plans) {
    for (const site of row.sites) {
      const known = json.sites.find(({ module }) => [site.modulePath, ...site.aliases].includes(module));
      if (!known) throw new Error(`${stem} has no layer ${site.modulePath}`);
      for (const [k, name] of factorNames(row, site).entries()) {
        const tensor = known.factors[row.spec.factors[k]!.name]!;
        factors.set(name, tensors.get(`init.${tensor}`)!);
        for (const kind of ['grad', 'adamw10'])
          if (tensors.has(`${kind}.${tensor}`))
            renamed.set(`${kind}.${name}`, tensors.get(`${kind}.${tensor}`)!);
        renamed.set(name, tensors.get(`init.${tensor}`)!);
      }
    }
  }
  for (const { name, shape } of planFactors(plan.plans)) {
    if (factors.get(name)?.shape.join() !== shape.join())
      throw new Error(`${name} is not [${shape}] in ${stem}`);
  }
  return {
    name: `${on}.${spec.method}`,
    path,
    description: { inputs: json.inputs, logits: json.logits, loss_at_init: 0, groups: [] },
    tensors: renamed,
    trainable: json.trainable_parameters,
    plan,
    factors,
  };
}

/** The model with the method's factors, written in a form. */
export function writtenAs(oracle: MethodOracle, form: Lowering | 'function'): Model {
  const model = readModel(oracle.path);
  writePlan(model, oracle.plan);
  insertAdapters(model, oracle.factors);
  if (form === 'function') toFunctions(model);
  else {
    lowerAdapters(model, form);
    shareFactors(model);
  }
  return model;
}
