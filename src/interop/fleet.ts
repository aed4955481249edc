import { join } from 'node:path';
import { effectiveScale } from '../adapter/description.js';
import { LOTR } from '../adapter/methods/lotr.js';
import { transposeMatrix } from '../init/dense.js';
import { type SharedSubspace, sharedSubspace, type ThinPair } from '../init/shared-subspace.js';
import { notLora } from '../ir/codes/files.js';
import { badFleet, notWithin } from '../ir/codes/interop.js';
import { fail } from '../ir/diagnostics.js';
import type { Output } from '../ir/files/atomic.js';
import { parsePlain } from '../ir/files/json.js';
import { readSafetensors, type Safetensors, safetensorsOutput } from '../ir/files/safetensors.js';
import { ComputedTensor, f32Tensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import { groupBy } from '../passes/sites/group-by.js';
import type { ForeignAdapter, ForeignLayer, ForeignWeight } from './foreign.js';
import type { LoraLayer } from './to-lora.js';

/**
 * Many LoRA adapters as LoTR: R and L of each shape in `shared.safetensors`, once for all adapters and layers, and a file of cores for
 * each adapter, which names its layers by modules and the shared tensors by their digests.
 */
const SHARED_FILE = 'shared.safetensors';
export const FLEET_KEY = 'lotrc.fleet';

export interface FleetMember {
  readonly name: string;
  readonly layers: readonly LoraLayer[];
  readonly weights: readonly ForeignWeight[];
}

/** The layers of one shape. */
interface FleetGroup {
  readonly id: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly layers: number;
  /** relative error of all its layers together: at most this */
  readonly bound: number;
}

export interface Fleet {
  readonly groups: readonly FleetGroup[];
  readonly outputs: readonly Output[];
  /** relative errors of layers, as far as the outputs are written */
  readonly errors: readonly { readonly adapter: string; readonly module: string; readonly error: number }[];
}

/**
 * Compresses adapters, so that the error of all layers of a shape together is within the tolerance. Pairs are read several times, one at a
 * time. Throws LOTR7501 where the sketch of a shape cannot come within the tolerance.
 */
export function fleetOf(members: readonly FleetMember[], folder: string, tolerance: number): Fleet {
  const expert = members.flatMap(({ layers }) => layers).find((layer) => layer.expert);
  if (expert) {
    const why = `"${expert.module}" is a matrix of a stack of experts, which files of a fleet do not have`;
    fail(notLora({ method: 'given', why }));
  }
  const byShape = groupBy(
    members.flatMap(({ layers }) => layers),
    shapeOf,
  );
  const groups: FleetGroup[] = [];
  const shared = new Map<string, TensorData>();
  const places = new Map<LoraLayer, { readonly group: SharedSubspace; readonly index: number }>();
  for (const [id, layers] of byShape) {
    const [inn, out] = [layers[0]!.a.shape[1]!, layers[0]!.b.shape[0]!];
    const pair = (index: number) => pairOf(layers[index]!);
    const group = sharedSubspace({ count: layers.length, in: inn, out, pair }, tolerance);
    if (group.bound > tolerance)
      fail(notWithin({ shape: id, rank: group.rank, bound: group.bound, tolerance }));
    groups.push({ id, in: inn, out, rank: group.rank, layers: layers.length, bound: group.bound });
    shared.set(`R/${id}`, f32Tensor([inn, group.rank], group.u));
    shared.set(`L/${id}`, f32Tensor([group.rank, out], group.v));
    for (const [index, layer] of layers.entries()) places.set(layer, { group, index });
  }
  const digests = Object.fromEntries([...shared].map(([name, data]) => [name, data.digest()]));
  const errors: Fleet['errors'][number][] = [];
  const outputs = members.map(({ name, layers, weights }) => {
    const cores = layers.map((layer) => {
      const { group, index } = places.get(layer)!;
      const made = new ComputedTensor('f32', [group.rank, group.rank], 'compress', () => {
        const { core, error } = group.core(index);
        errors.push({ adapter: name, module: layer.module, error });
        return encodeFloats('f32', core);
      });
      return [`M/${layer.module}`, made] as const;
    });
    const rows = layers.map((layer) => ({ module: layer.module, group: shapeOf(layer) }));
    const held: FleetEntry = { version: 1, shared: digests, layers: rows };
    const whole = weights.map(({ module, parameter, data }) => [`W/${module}.${parameter}`, data] as const);
    const metadata = { format: 'pt', [FLEET_KEY]: JSON.stringify(held) };
    return safetensorsOutput(join(folder, `${name}.safetensors`), new Map([...cores, ...whole]), metadata);
  });
  return {
    groups,
    errors,
    outputs: [safetensorsOutput(join(folder, SHARED_FILE), shared, { format: 'pt' }), ...outputs],
  };
}

const shapeOf = ({ a, b }: LoraLayer): string => `${a.shape[1]}x${b.shape[0]}`;

/** A layer's matrices in float64, the scale in the second. */
function pairOf({ a, b, rank, alpha, scaling }: LoraLayer): ThinPair {
  const scale = effectiveScale({ scale: alpha, scaling }, rank);
  const second = transposeMatrix(toF64(b), b.shape[0]!, rank);
  for (let k = 0; k < second.length; k++) second[k]! *= scale;
  return { rank, a: toF64(a), b: second };
}

interface FleetEntry {
  readonly version: 1;
  /** digests of the shared tensors by name */
  readonly shared: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly module: string; readonly group: string }[];
}

/** Reads the cores of one adapter together with the shared file in `folder`. Throws LOTR7502 when they do not belong together. */
export function readFleetMember(path: string, folder: string, file: Safetensors): ForeignAdapter {
  const wrong = (why: string): never => fail(badFleet({ file: path, why }));
  const { shared, layers } = entryOf(file.metadata[FLEET_KEY]!, wrong);
  const { tensors } = readSafetensors(join(folder, SHARED_FILE));
  const matrix = (from: ReadonlyMap<string, TensorData>, name: string): TensorData => {
    const data = from.get(name) ?? wrong(`"${name}" is missing`);
    return data.shape.length === 2 && data.dtype === 'f32'
      ? data
      : wrong(`"${name}" is not a matrix of float32`);
  };
  for (const [name, digest] of Object.entries(shared))
    if (matrix(tensors, name).digest() !== digest)
      wrong(`"${name}" of ${SHARED_FILE} is that of another fleet`);
  return {
    file: path,
    names: 'dotted',
    leftOut: [],
    stacks: [],
    layers: layers.map(({ module, group }): ForeignLayer => {
      const [r, m, l] = [
        matrix(tensors, `R/${group}`),
        matrix(file.tensors, `M/${module}`),
        matrix(tensors, `L/${group}`),
      ];
      const rank = r.shape[1]!;
      if (`${m.shape}` !== `${rank},${rank}` || l.shape[0] !== rank)
        wrong(`the factors of "${module}" do not fit together`);
      const spec = { ...LOTR, scale: 1, scaling: 'none' } as const;
      return { module, in: r.shape[0]!, out: l.shape[1]!, rank, spec, factors: [r, m, l] };
    }),
    weights: [...file.tensors].flatMap(([name, data]) => {
      const [, module, parameter] = /^W\/(.+)\.([^.]+)$/.exec(name) ?? [];
      return module !== undefined && parameter !== undefined ? [{ module, parameter, data }] : [];
    }),
  };
}

function entryOf(text: string, wrong: (why: string) => never): FleetEntry {
  let value: unknown;
  try {
    value = parsePlain(text);
  } catch {
    return wrong('its entry is not JSON');
  }
  const { version, shared, layers } = (value ?? {}) as Partial<FleetEntry>;
  const fits =
    version === 1 &&
    typeof shared === 'object' &&
    Array.isArray(layers) &&
    layers.every((row) => typeof row?.module === 'string' && typeof row.group === 'string');
  return fits ? { version, shared, layers } : wrong('its entry is not one that lotrc writes');
}
