import { agreementsOf } from '../../../adapter/agreement.js';
import { type AdapterSpec, effectiveScale, shapeOfFactor } from '../../../adapter/description.js';
import { type KernelForm, kernelForm } from '../../../adapter/kernel-form.js';
import { factorNames, groupOf, planFactors } from '../../../adapter/plan-factors.js';
import type { GroupRow, PlanRow, SiteRow, SiteUseRow } from '../../../adapter/saved-plan.js';
import { operandsOf } from '../../../adapter/terms.js';
import { fail } from '../../../ir/diagnostics.js';
import type { Model, Node, Value } from '../../../ir/model.js';
import { factorCount } from '../../../passes/adapters/adapted-node.js';
import { layerType } from '../../../passes/adapters/lower.js';
import { raiseAdapters } from '../../../passes/adapters/raise.js';
import { storedWeight } from '../../../passes/adapters/stored-weight.js';
import { startJob, type WatchOptions } from '../../../passes/pipeline.js';
import { outputsByName, requirePlan } from '../../../passes/plan/plan.js';
import { alphaOf, isSet } from '../../../passes/sites/base-attrs.js';
import { nothingToPlan } from '../../codes/kernels.js';
import { activationAfter } from './activations.js';
import {
  type AdaptedLayer,
  type AdaptedLayers,
  type Group,
  type LayerRegion,
  type Skipped,
  variesBySite,
} from './layers.js';
import { PACKED_BIAS, packedWeight } from './packed.js';
import type { KernelDtype } from './types.js';

/**
 * What the adapted layers of a rewritten model compute, in graph order: layers that read the same
 * input form a region. Raises the model's adapters to `lotrc::LoTRLinear` on the way, so the
 * caller hands over a model that is not needed any more. Reads no weights. Throws LOTR3201 without a plan, LOTR3203 when
 * a layer does not compute what the plan says, LOTR6002 when there are no kernels for any of the layers. Layers with packed
 * weights are left out unless `packed`: kernels for the device unpack them.
 */
export function contract(
  model: Model,
  { packed = false, ...watch }: WatchOptions & { readonly packed?: boolean } = {},
): AdaptedLayers {
  requirePlan(model, 'plan kernels');
  startJob(model, watch).step('raise-adapters', model, () => raiseAdapters(model, 'plan kernels'), {
    ensures: ['raised'],
  });
  const plan = requirePlan(model, 'plan kernels');
  const outputs = outputsByName(model);
  const position = new Map([...model.everyNode()].map((node, index) => [node, index]));
  const groups: Group[] = [];
  const found: { layer: AdaptedLayer; x: Value; at: number; dtype: KernelDtype }[] = [];
  const skipped: Skipped[] = [];
  const shapes = new Map(planFactors(plan.plans).map(({ name, shape }) => [name, shape]));
  for (const row of plan.plans) {
    const form = kernelForm(row.spec);
    const sites = new Map<string, string[]>();
    for (const site of row.sites) {
      for (const [nth, use] of site.uses.entries()) {
        const node = outputs.get(use.output)!.producer!;
        const id = nth === 0 ? site.id : `${site.id}#${nth + 1}`;
        const layer = layerOf(row, form, site, use, id, node, packed);
        if (typeof layer === 'string') {
          skipped.push({ layer: id, because: layer });
          continue;
        }
        const dtype = layerType(node) as KernelDtype;
        found.push({ layer, x: node.inputs[0]!, at: position.get(node)!, dtype });
        const members = sites.get(site.group) ?? [];
        if (!members.includes(site.id)) members.push(site.id);
        sites.set(site.group, members);
      }
    }
    for (const group of row.groups) {
      const members = sites.get(group.id);
      if (members && typeof form !== 'string') groups.push(groupRow(row, form, group, members, shapes));
    }
  }
  if (found.length === 0) fail(nothingToPlan({ why: skipped[0]?.because ?? 'the plan lists none' }));
  found.sort((a, b) => a.at - b.at);
  const dtype = found[0]!.dtype;
  for (const other of found.filter((entry) => entry.dtype !== dtype)) {
    skipped.push({ layer: other.layer.id, because: `it computes in ${other.dtype}, others in ${dtype}` });
  }
  const layers = found.filter((entry) => entry.dtype === dtype);
  const inputs = new Map<Value, number>();
  for (const { x } of layers) if (!inputs.has(x)) inputs.set(x, inputs.size);
  const entries = layers.map(({ layer, x }) => ({ layer, input: inputs.get(x)! }));
  return { description: agreementsOf(plan.plans), dtype, groups, regions: regionsOf(entries), skipped };
}

function groupRow(
  row: PlanRow,
  form: KernelForm,
  group: GroupRow,
  sites: readonly string[],
  shapes: ReadonlyMap<string, readonly number[]>,
): Group {
  const members = row.sites.filter((site) => sites.includes(site.id));
  const tensorsOf = (k: number) => [...new Set(members.map((site) => factorNames(row, site)[k]!))];
  return {
    id: group.id,
    method: row.spec.method,
    delta: row.spec.delta,
    form,
    extents: extentsOf(row, group),
    in: group.in,
    out: group.out,
    rank: group.rank,
    scale: effectiveScale(row.spec, group.rank),
    factors: row.spec.factors.map(({ name, share, mode, lrMultiplier }, k) => ({
      name,
      share,
      shape: shapes.get(tensorsOf(k)[0]!)!,
      tensors: tensorsOf(k),
      trainable: mode === 'trainable',
      lrMultiplier,
    })),
    sites: members.map((site) => site.id),
  };
}

/** Extents of the letters of delta in a group. */
function extentsOf({ spec }: PlanRow, group: GroupRow): Readonly<Record<string, number>> {
  return Object.fromEntries(
    operandsOf(spec).flatMap((letters, k) => {
      const shape = shapeOfFactor(spec, k, group);
      return letters.map((letter, axis) => [letter, shape[axis]!]);
    }),
  );
}

/**
 * What x is multiplied by, and whether each layer of a region may have its own: the factors themselves can lie side by side where
 * no other group reads them.
 */
export function ownDown(
  { factors: specs }: Pick<AdapterSpec, 'factors'>,
  { down }: KernelForm,
  group: string,
  site: string,
  factors: readonly string[],
): Pick<AdaptedLayer, 'down' | 'beside'> {
  if (down.bare !== null) return { down: factors[down.bare]!, beside: specs[down.bare]!.share === 'site' };
  return { down: `${variesBySite(down, specs) ? site : group}/down`, beside: false };
}

/** The layer as kernels see it, or why there are none for it. */
function layerOf(
  row: PlanRow,
  form: KernelForm | string,
  site: SiteRow,
  use: SiteUseRow,
  id: string,
  node: Node,
  unpacks: boolean,
): AdaptedLayer | string {
  if (typeof form === 'string') {
    const { method, delta } = row.spec;
    return `there are no kernels for ${method} (${delta}), ${form}: merge the adapter, or train it with \`lotrc emit onnx-train\``;
  }
  if (!node.inputs[0]) return 'its adapter is added to one matrix of a stack of experts';
  if (isSet(node, 'transA')) return 'it reads its input transposed';
  if (alphaOf(node) !== 1) return 'it scales its product (Gemm with alpha)';
  const beta = node.attrs.get('beta');
  if (beta?.kind === 'float' && beta.value !== 1) return 'it scales its bias (Gemm with beta)';
  const stored = storedWeight(node.inputs[1]!);
  if (!stored) return 'its weight is computed in the model';
  const packed = packedWeight(node, stored);
  if (typeof packed === 'string') return packed;
  if (packed && !unpacks)
    return 'its weight is packed, and kernels for this device do not unpack it: use `lotrc emit cuda` or `lotrc emit wgsl`, or train it with `lotrc emit onnx-train`';
  if (!packed && stored.data.shape.length !== 2) return 'it is a convolution';
  const dtype = layerType(node);
  if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16') return `it computes in ${dtype}`;
  const group = groupOf(row, site);
  const own = node.inputs[2 + factorCount(node) + (packed ? PACKED_BIAS : 0)];
  const ownBias = own ? vectorBehind(own, group.out, dtype) : null;
  if (own && ownBias === null) return 'its bias is not a stored vector of its width';
  const added = own ? null : biasAfter(node.outputs[0]!, group.out, dtype);
  const linear = added?.out ?? node.outputs[0]!;
  const activation = activationAfter(linear);
  const [factors, extents] = [factorNames(row, site), extentsOf(row, group)];
  return {
    id,
    site: site.id,
    group: group.id,
    in: group.in,
    out: group.out,
    rank: form.inner.reduce((all, letter) => all * extents[letter]!, 1),
    factors,
    ...ownDown(row.spec, form, group.id, site.id, factors),
    weight: stored.holder.name,
    weightStored: packed || stored.transposed !== isSet(node, 'transB') ? 'oi' : 'io',
    packed,
    x: node.inputs[0]!.name,
    y: use.output,
    bias: ownBias ?? added?.bias ?? null,
    activation: activation?.activation ?? null,
    biasedOutput: linear.name,
    fusedOutput: activation?.out.name ?? linear.name,
  };
}

/** y + b with a stored vector b, where nothing else reads y. */
function biasAfter(
  y: Value,
  width: number,
  dtype: string,
): { readonly bias: string; readonly out: Value } | null {
  const [use] = y.uses;
  if (y.isOutput || y.uses.size !== 1 || use?.node.opKey !== 'Add') return null;
  const other = use.node.inputs[1 - use.index];
  const bias = other ? vectorBehind(other, width, dtype) : null;
  return bias === null ? null : { bias, out: use.node.outputs[0]! };
}

/**
 * Name of the stored vector that a value is, through Identity; null when it is not a stored vector of that width and
 * type.
 */
function vectorBehind(value: Value, width: number, dtype: string): string | null {
  const stored = storedWeight(value);
  if (!stored || stored.data.dtype !== dtype) return null;
  const { shape } = stored.data;
  const fits = shape.at(-1) === width && shape.slice(0, -1).every((extent) => extent === 1);
  return fits ? stored.holder.name : null;
}

/**
 * Groups layers by input and group, in order of first appearance. Layers that multiply x by something of their own join only
 * where that can lie side by side, and if their site is used once: a factor that two regions train must be in one place.
 */
export function regionsOf(
  entries: readonly { readonly layer: AdaptedLayer; readonly input: number }[],
): readonly LayerRegion[] {
  const uses = new Map<string, Set<string>>();
  for (const { layer } of entries) {
    const sites = uses.get(layer.down) ?? new Set();
    uses.set(layer.down, sites.add(layer.id));
  }
  const regions = new Map<string, { readonly input: number; readonly layers: AdaptedLayer[] }>();
  for (const { layer, input } of entries) {
    const { down, beside } = layer;
    const key = `${input}|${layer.group}|${!beside || uses.get(down)!.size > 1 ? down : ''}`;
    const region = regions.get(key);
    if (region) region.layers.push(layer);
    else regions.set(key, { input, layers: [layer] });
  }
  return [...regions.values()].map(({ input, layers }) => ({
    label: commonLabel(layers.map(({ id }) => id)),
    group: layers[0]!.group,
    x: layers[0]!.x,
    input,
    in: layers[0]!.in,
    rank: layers[0]!.rank,
    downs: [...new Set(layers.map(({ down }) => down))],
    layers,
  }));
}

/** `layer.0.attention.{q,k,v}`: what names share in front and at the end, and where they differ. */
export function commonLabel(names: readonly string[]): string {
  if (names.length === 1) return names[0]!;
  const parts = names.map((name) => name.split(/(?<=[./])/));
  const shortest = Math.min(...parts.map((list) => list.length)) - 1;
  let front = 0;
  while (front < shortest && parts.every((list) => list[front] === parts[0]![front])) front++;
  let back = 0;
  while (back < shortest - front && parts.every((list) => list.at(-1 - back) === parts[0]!.at(-1 - back)))
    back++;
  const middle = parts.map((list) => list.slice(front, list.length - back).join(''));
  const tail = parts[0]!.slice(parts[0]!.length - back).join('');
  return `${parts[0]!.slice(0, front).join('')}{${middle.join(',')}}${tail}`;
}
