import { effectiveScale } from '../adapter/description.js';
import { LORA } from '../adapter/methods/lora.js';
import { groupOf } from '../adapter/plan-factors.js';
import { hasFormOf } from '../adapter/same-form.js';
import type { SavedPlan } from '../adapter/saved-plan.js';
import { transposeMatrix } from '../init/dense.js';
import { noForeignPlace, otherGraph } from '../ir/codes/interop.js';
import { fail } from '../ir/diagnostics.js';
import { ComputedTensor, f32Tensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import { ModuleNames } from './bind.js';
import type { ForeignAdapter } from './foreign.js';
import { transposedF32 } from './matrices.js';
import { type ModuleMap, nearestTo } from './names.js';
import type { LoraLayer } from './to-lora.js';

/** The inputs of one layer of the plan, its extents, and what the graph multiplies by. */
interface Place {
  readonly a: string;
  readonly b: string;
  readonly in: number;
  readonly out: number;
  readonly scale: number;
}

/**
 * The tensors that make the graph inputs of a model with LoRA compute a foreign adapter, whose ranks and scales may be others: the graph
 * multiplies by the scale of its plan, so B is multiplied by the quotient of both. Layers of the plan that the adapter does not have get
 * rank 0. Throws LOTR7301 for modules that the plan lacks, LOTR7304 when the plan is not LoRA.
 */
export function fitToPlan(
  plan: SavedPlan,
  foreign: ForeignAdapter,
  layers: readonly LoraLayer[],
  moduleMap: ModuleMap = new Map(),
): ReadonlyMap<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  const byPath = new Map<string, Place>();
  for (const row of plan.plans) {
    const { spec } = row;
    if (!hasFormOf(spec, LORA)) fail(otherGraph({ file: foreign.file, method: spec.method }));
    for (const site of row.sites) {
      const group = groupOf(row, site);
      const [a, b] = spec.factors.map(({ name }) => site.factors[name]!) as [string, string];
      tensors.set(a, f32Tensor([group.in, 0], []));
      tensors.set(b, f32Tensor([0, group.out], []));
      const place = { a, b, in: group.in, out: group.out, scale: effectiveScale(spec, group.rank) };
      for (const path of [site.modulePath ?? site.id, ...site.aliases]) byPath.set(path, place);
    }
  }
  const names = new ModuleNames(foreign, moduleMap);
  for (const layer of layers) {
    const { mapped, found } = names.among(layer.module, byPath.keys());
    const refuse = (why: string, near: readonly string[] = []): never =>
      fail(noForeignPlace({ module: layer.module, why, near, file: foreign.file, what: 'layer', more: [] }));
    const places = [...new Set(found.map((path) => byPath.get(path)!))];
    if (places.length > 1) refuse(`it may be ${found.map((path) => `"${path}"`).join(' or ')}`);
    const [place] = places;
    if (!place) return refuse('the model has no adapter there', nearestTo(mapped.name, byPath.keys()));
    const { a, b, rank, alpha, scaling } = layer;
    if (place.in !== a.shape[1] || place.out !== b.shape[0])
      refuse(`it is ${a.shape[1]}x${b.shape[0]}, and "${found[0]}" of the model is ${place.in}x${place.out}`);
    const scale = effectiveScale({ scale: alpha, scaling }, rank) / place.scale;
    tensors.set(place.a, transposedF32(a));
    tensors.set(place.b, transposedTimes(b, scale));
  }
  names.refuseUnused();
  return tensors;
}

/** The transpose of a matrix times a number, in float32. */
function transposedTimes(matrix: TensorData, by: number): TensorData {
  const [rows, columns] = matrix.shape as [number, number];
  return new ComputedTensor('f32', [columns, rows], 'transpose', () =>
    encodeFloats(
      'f32',
      transposeMatrix(toF64(matrix), rows, columns).map((value) => by * value),
    ),
  );
}
