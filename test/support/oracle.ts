import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import type { PlanRow, SiteRow } from '../../src/adapter/saved-plan.js';
import { sampledDigest } from '../../src/ir/digest.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../src/ir/values.js';
import { storedWeight } from '../../src/passes/adapters/stored-weight.js';
import type { Tensor } from './ort.js';
import { sharedDir } from './shared.js';

/** One model of the oracle: an exported transformer with PyTorch's numbers for LoTR on it. */
export interface Oracle {
  readonly name: string;
  readonly path: string;
  readonly description: OracleDescription;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

interface OracleDescription {
  readonly inputs: readonly string[];
  readonly logits: string;
  readonly loss_at_init: number;
  readonly groups: readonly {
    readonly pattern: string;
    readonly rank: number;
    readonly scale: number;
    readonly in_features: number;
    readonly out_features: number;
    readonly sites: readonly {
      readonly module: string;
      readonly nodes: readonly { readonly name: string; readonly op: string; readonly weight: string }[];
    }[];
  }[];
}

/** The oracle models in the repository, and all of them when the shared folder is there. */
export function oracles(): Oracle[] {
  const own = join(import.meta.dirname, '../data/oracle');
  const shared = sharedDir();
  const folder = shared ? join(shared, 'oracle') : own;
  return readdirSync(folder)
    .filter((file) => file.endsWith('.onnx') && existsSync(join(folder, file.replace('.onnx', '.json'))))
    .sort()
    .map((file) => {
      const stem = join(folder, file.slice(0, -'.onnx'.length));
      return {
        name: file.slice(0, -'.onnx'.length),
        path: join(folder, file),
        description: JSON.parse(readFileSync(`${stem}.json`, 'utf8')) as OracleDescription,
        tensors: readSafetensors(`${stem}.safetensors`).tensors,
      };
    });
}

/** The model's inputs as feeds. */
export function feedsOf(oracle: Oracle): Record<string, Tensor> {
  const model = readModel(oracle.path);
  return Object.fromEntries(
    oracle.description.inputs.map((name) => {
      const data = oracle.tensors.get(`input.${name}`)!;
      const declared = model.graph.own(name)!.type;
      const dtype = declared?.kind === 'tensor' ? declared.dtype : data.dtype;
      return [name, asFeed(data, dtype)];
    }),
  );
}

/** A tensor in the form that onnxruntime-node takes, converted to the type that the model declares. */
export function asFeed(data: TensorData, dtype = data.dtype): Tensor {
  if (dtype === 'f32') return { dtype: 'float32', shape: data.shape, data: toF32(data) };
  const values = toIntegers(data);
  if (dtype === 'bool') return { dtype: 'bool', shape: data.shape, data: Uint8Array.from(values) };
  if (dtype === 'i32') return { dtype: 'int32', shape: data.shape, data: Int32Array.from(values) };
  return { dtype: 'int64', shape: data.shape, data: BigInt64Array.from(values, BigInt) };
}

/** The plan that the oracle's JSON describes, written by hand: an independent check of what site selection finds. */
export function planOf(oracle: Oracle, model: Model): PlanRow {
  const nodes = new Map([...model.everyNode()].map((node) => [node.name, node]));
  const groups = oracle.description.groups.map((group, g) => ({
    id: `g${g}`,
    in: group.in_features,
    out: group.out_features,
    rank: group.rank,
    factors: { R: `init.group${g}.R`, L: `init.group${g}.L` },
  }));
  const sites = oracle.description.groups.flatMap((group, g) =>
    group.sites.map(
      (site, s): SiteRow => ({
        id: site.module,
        modulePath: site.module,
        nameFrom: 'node',
        aliases: [],
        group: `g${g}`,
        factors: { M: `init.group${g}.M.${s}` },
        uses: site.nodes.map(({ name }) => {
          const node = nodes.get(name)!;
          const weight = node.inputs[1]!;
          const stored = storedWeight(weight)!;
          const transB = node.attrs.get('transB');
          return {
            node: name,
            output: node.outputs[0]!.name,
            op: node.op,
            weight: stored.holder.name,
            digest: sampledDigest(stored.data),
            layout: transB?.kind === 'int' && Number(transB.value) ? ('oi' as const) : ('io' as const),
            transposed: stored.transposed,
          };
        }),
      }),
    ),
  );
  const scale = oracle.description.groups[0]!.scale;
  return {
    spec: { ...LOTR, scale },
    share: 'target',
    carry: 'embedded',
    lowering: 'fold',
    seed: 0,
    groups,
    sites,
  };
}
