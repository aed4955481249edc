import { effectiveScale, isTrained } from '../../adapter/description.js';
import { LORA } from '../../adapter/methods/lora.js';
import { factorNames, groupOf } from '../../adapter/plan-factors.js';
import { hasFormOf } from '../../adapter/same-form.js';
import type { PlanRow, SiteRow } from '../../adapter/saved-plan.js';
import { transposeMatrix } from '../../init/dense.js';
import { loftq, without } from '../../init/loftq.js';
import type { StoredMatrix } from '../../init/weights.js';
import { badInit, loftqLayer, svdRank } from '../../ir/codes/init.js';
import { constantData } from '../../ir/constants.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { ComputedTensor, f32Tensor, type TensorData } from '../../ir/tensor.js';
import { toF64 } from '../../ir/values.js';
import type { BoundPass } from '../pass.js';
import { outputsByName, requirePlan, writePlan } from '../plan/plan.js';
import { findLinears } from '../sites/find.js';
import { weightDigest } from '../sites/weight-digest.js';
import { unpackLayers } from '../unpack/unpack.js';
import { matrixOf } from './initial-factors.js';
import { baseNode } from './insert.js';
import { sitesByName } from './match-path.js';
import {
  blocksStored,
  PACKED_PRODUCT,
  type PackedTensors,
  type PackedWeight,
  packedWeightOf,
  roundedToBlocks,
  unpacked,
} from './packed-weight.js';
import { START_NOTE } from './start-factors.js';
import { isOverridable, replaceStored } from './stored-weight.js';

/** The float model that a quantised one was made of, and how often LoftQ goes round. */
export interface LoftqSource {
  readonly from: Model;
  readonly iterations: number;
  /** told what came of it, layer by layer */
  readonly told?: ((rows: readonly LoftqRow[]) => void) | undefined;
}

/** How far the weight of a layer is from that of the float model, relative in norm: as it was stored, and with its adapter. */
export interface LoftqRow {
  readonly layer: string;
  readonly before: number;
  readonly after: number;
  /** squared norm of the weight, for means over layers */
  readonly whole: number;
}

/** What LoftQ found: factors by the names of their tensors, which `insert-adapters` takes as they are, and the errors. */
interface LoftqResult {
  readonly factors: ReadonlyMap<string, TensorData>;
  readonly rows: readonly LoftqRow[];
}

const NAME = 'loftq';

/** What is wrong with a method for LoftQ, or null: it starts both matrices of a product of its own for each layer. */
export const loftqProblem = (spec: PlanRow['spec']): string | null =>
  hasFormOf(spec, LORA) && spec.factors.every(isTrained)
    ? null
    : `${spec.method} is not a product of two trained matrices of each layer`;

/**
 * Starts the factors of layers with packed weights (MatMulNBits) by LoftQ, from the weights of the float model, whose layers are found
 * by their module paths; other layers start as their method says. With more than one iteration packed weights change, in place, and the
 * plan names the new ones. Throws LOTR3409 naming a layer that is quantised in another way, or is not in the float model.
 */
export function loftqPass(source: LoftqSource): BoundPass {
  return {
    name: NAME,
    text: NAME,
    requires: ['planned'],
    run(model, ctx) {
      const result = startByLoftq(model, source);
      ctx.notes.set(START_NOTE, result.factors);
      ctx.stat('layers', result.rows.length);
      source.told?.(result.rows);
      return source.iterations > 1 ? 'changed' : 'unchanged';
    },
  };
}

function startByLoftq(model: Model, { from, iterations }: LoftqSource): LoftqResult {
  const plan = requirePlan(model, 'start factors by LoftQ');
  unpackLayers(from);
  const floats = sitesByName(findLinears(from));
  const outputs = outputsByName(model);
  const factors = new Map<string, TensorData>();
  const rows: LoftqRow[] = [];
  let quantised = 0;
  const plans = plan.plans.map((row): PlanRow => {
    const sites = row.sites.map((site): SiteRow => {
      const refuse = (why: string): never => fail(loftqLayer({ site: site.id, why }));
      const nodes = site.uses.map((use) => baseNode(outputs, site, use).identity);
      const kinds = new Set(nodes.map(({ opKey }) => opKey));
      if (!kinds.has(PACKED_PRODUCT)) {
        const odd = nodes.find((node) => matrixOf(node) === null);
        if (odd) refuse(`it is a ${odd.opKey} whose weight is not stored as floats`);
        return site;
      }
      quantised++;
      if (kinds.size > 1) refuse('its weight is quantised in one node and not in another');
      const packs = packsOf(nodes, refuse);
      const original = originalOf(site, groupOf(row, site), floats, refuse);
      const { rank } = groupOf(row, site);
      const shape = { in: packs[0]!.in, out: packs[0]!.out, rank };
      if (rank > Math.min(shape.in, shape.out))
        fail(svdRank({ group: site.group, rank, limit: Math.min(shape.in, shape.out) }));
      const [weight] = packs as [PackedWeight];
      const start = loftq(
        original(),
        unpacked(weight, blocksStored(weight)),
        (values) => unpacked(weight, roundedToBlocks(weight, values)),
        shape,
        { scale: effectiveScale(row.spec, rank), iterations },
      );
      const relative = (squares: number) => (start.whole === 0 ? 0 : Math.sqrt(squares / start.whole));
      // nothing was lost: both factors would be zero, and could not learn
      if (start.before === 0) return site;
      rows.push({
        layer: site.id,
        before: relative(start.before),
        after: relative(start.after),
        whole: start.whole,
      });
      const [a, b] = factorNames(row, site) as [string, string];
      factors.set(a, f32Tensor([shape.in, rank], start.a));
      factors.set(b, f32Tensor([rank, shape.out], start.b));
      if (!start.less) return site;
      const { less } = start;
      for (const each of packs)
        replacePacked(model, each, nodes, () => without(original(), less, shape), refuse);
      const uses = site.uses.map((use, k) => ({
        ...use,
        digest: weightDigest(constantData(nodes[k]!.inputs[1]!)!),
      }));
      return { ...site, uses };
    });
    return { ...row, sites };
  });
  if (quantised === 0) {
    const why = 'none of the chosen layers has a weight that is quantised in blocks (MatMulNBits)';
    fail(
      badInit({
        text: NAME,
        why,
        hint: 'use --init pissa or olora for weights that are stored as floats',
      }),
    );
  }
  if (iterations > 1) writePlan(model, { ...plan, plans });
  return { factors, rows };
}

/** The packed weights that nodes of one layer read: one, or copies of it. */
function packsOf(nodes: readonly Node[], refuse: (why: string) => never): readonly PackedWeight[] {
  const found = new Map<Value, PackedWeight>();
  for (const node of nodes) {
    const weight = packedWeightOf(node);
    if (typeof weight === 'string') return refuse(weight);
    found.set(weight.codes, weight);
  }
  return [...found.values()];
}

/** The numbers that a layer multiplies by, (out, in). */
export function floatsOf(
  { data, layout, alpha }: StoredMatrix,
  { in: inn, out }: { readonly in: number; readonly out: number },
): Float64Array {
  const values = toF64(data);
  const rows = layout === 'oi' ? values : transposeMatrix(values, inn, out);
  return alpha === 1 ? rows : rows.map((x) => alpha * x);
}

/** Reads the layer's weight in another model, (out, in). */
export function originalOf(
  site: SiteRow,
  { in: inn, out }: { readonly in: number; readonly out: number },
  floats: ReturnType<typeof sitesByName>,
  refuse: (why: string) => never,
  what = 'the float model',
): () => Float64Array {
  const names = [site.modulePath, ...site.aliases].filter((name) => name !== null);
  const found = [...new Set(names.flatMap((name) => floats.get(name) ?? []))];
  const [layer] = found;
  if (!layer) return refuse(`${what} has no layer of that module path`);
  if (found.length > 1) refuse(`it may be ${found.map(({ id }) => `"${id}"`).join(' or ')} of ${what}`);
  if (layer.in !== inn || layer.out !== out)
    refuse(`it has ${inn}x${out}, and in ${what} ${layer.in}x${layer.out}`);
  const stored = matrixOf(layer.uses[0]!.node) ?? refuse(`${what} does not store its weight as floats`);
  return () => {
    const rows = floatsOf(stored, { in: inn, out });
    if (!rows.every(Number.isFinite)) refuse(`its weight in ${what} holds values that are not finite`);
    return rows;
  };
}

/** Stores other numbers in a packed weight; they are made again when they are read. */
function replacePacked(
  model: Model,
  weight: PackedWeight,
  nodes: readonly Node[],
  values: () => Float64Array,
  refuse: (why: string) => never,
): void {
  const before = blocksStored(weight);
  /** the tensors of one weight are written one after another */
  let held: WeakRef<PackedTensors> | null = null;
  const made = (): PackedTensors => {
    const present = held?.deref() ?? roundedToBlocks(weight, values());
    held = new WeakRef(present);
    return present;
  };
  const put = (value: Value, key: keyof PackedTensors): void => {
    if (isOverridable(model, value) || [...value.uses].some(({ node }) => !nodes.includes(node)))
      refuse(`"${value.name}" is read elsewhere too`);
    const { dtype, shape } = before[key]!;
    replaceStored(value, new ComputedTensor(dtype, shape, 'loftq', () => made()[key]!.bytes()));
  };
  put(weight.codes, 'codes');
  put(weight.scales, 'scales');
  if (weight.zeros) put(weight.zeros, 'zeros');
}
