import { fail } from '../../../ir/diagnostics.js';
import { formRefused, nothingTrained, otherType, packedMerge } from '../../codes/kernels.js';
import type { SubgroupShape } from '../device/subgroup-matrices.js';
import type { AdaptedLayers, Group, LayerRegion } from '../model/layers.js';
import type {
  DeviceProfile,
  KernelDtype,
  KernelPlan,
  Launch,
  Predicted,
  RegionPlan,
  Rejected,
  ScheduleRow,
  UnitRounding,
} from '../model/types.js';
import { bordered } from './bordered.js';
import { Buffers } from './buffers.js';
import { ELEMENT_BYTES } from './cost.js';
import { basePrediction, type Target } from './launches.js';
import { mergingOf } from './merging.js';
import { withPaddedRanks } from './padded-ranks.js';
import { clearlyFaster, total } from './price.js';
import { byRow } from './rows.js';
import { pickSchedule } from './schedule.js';
import { byToken, merged, type RegionCandidate, type RegionContext, split, widened } from './strategies.js';
import { siText, timeText } from './unit-text.js';
import { readsVectors, VECTOR } from './vectors.js';
import { ownBuffers } from './views.js';
import { epilogueOf, prologueOf } from './weight-space.js';

export interface PlanOptions {
  readonly device: DeviceProfile;
  /** rows of every input: batch times sequence */
  readonly tokens: number;
  /** `train`: forward, backward and weight space; `serve`: forward with adapters that may be exchanged */
  readonly purpose: 'train' | 'serve';
  /** type of the operands; that of the layers when absent */
  readonly dtype?: KernelDtype;
  /** of float32 operands in products over tokens: they run on matrix units (CUDA) */
  readonly rounding?: UnitRounding;
  /** adapters in one batch: serving only */
  readonly adapters?: number;
  /** each row has an adapter of its own, of any rank up to this one: serving only, and without a wanted strategy */
  readonly mostRank?: number;
  /** use this strategy wherever it is possible, instead of the cheapest */
  readonly strategy?: StrategyKey;
  /** also launches that fold the adapter into the weights and out again; for serving one adapter */
  readonly merging?: boolean;
  /** also schedules that spread a sum over subgroups; kernels without them run everywhere */
  readonly subgroups?: boolean;
  /** also schedules for subgroups that multiply matrices of this shape: a device of WebGPU has to list it */
  readonly matrix?: SubgroupShape;
  /** schedules before the built-in ones */
  readonly schedules?: readonly ScheduleRow[];
  /** the launches that a back end emits for one of the plan: forms are compared by what these cost. Absent: by the plan's own */
  readonly emitted?: (launch: Launch) => readonly Launch[];
}

const STRATEGY_KEYS = ['split', 'widen', 'token', 'merged', 'bordered'] as const;
export type StrategyKey = (typeof STRATEGY_KEYS)[number];

/** Ranks and rows up to which a widened launch is worthwhile: beyond them, computing P again costs more than a launch. */
const WIDEN = { tokens: 64, rank: 16 } as const;

/**
 * Plans the launches of all adapted layers on a device. For each region the legal strategy with the least predicted time per
 * step wins, of those within a tenth the first; the others are listed with the reason. Throws LOTR6005 when the device does not compute in the type,
 * LOTR6004 when the table has no schedule, and LOTR6031 when a plan for training has nothing to train.
 */
export function choose(layers: AdaptedLayers, options: PlanOptions): KernelPlan {
  const { device, tokens, purpose, emitted = (launch: Launch) => [launch] } = options;
  const dtype = options.dtype ?? layers.dtype;
  const adapters = options.adapters ?? 1;
  const { mostRank } = options;
  // warpgroups multiply neither for several adapters nor what a library multiplies
  const byLibrary = options.strategy === undefined && device.libraryFlops !== undefined;
  const asItIs = adapters > 1 || mostRank !== undefined || options.strategy === 'bordered' || byLibrary;
  const contraction = asItIs ? layers : withPaddedRanks(layers, device, dtype);
  if (device.flops[dtype] === null) fail(otherType({ device: device.name, dtype, known: typesOf(device) }));
  if ((adapters > 1 || mostRank !== undefined) && purpose === 'train')
    throw new Error('several adapters in one batch are for serving');
  if (
    purpose === 'train' &&
    !contraction.groups.some(({ factors }) => factors.some(({ trainable }) => trainable))
  )
    fail(nothingTrained({ methods: [...new Set(contraction.groups.map(({ method }) => method))] }));
  const rounded = dtype === 'f32' && options.rounding ? { rounding: options.rounding } : {};
  const target: Target = { device, tokens, dtype, ...rounded, db: openRows(options) };
  const buffers = new Buffers(contraction, target, adapters, purpose);
  const groups = new Map(contraction.groups.map((group) => [group.id, group]));
  if (options.merging && (purpose === 'train' || adapters > 1))
    throw new Error('merging on the device is for serving one adapter');
  const packed = contraction.regions.flatMap(({ layers }) => layers).find((layer) => layer.packed);
  if (options.merging && packed) fail(packedMerge({ layer: packed.id }));
  const weights = new Map<string, readonly Launch[]>();
  const written = new Set<number>();
  const contextOf = (region: LayerRegion, addsToDx: boolean): RegionContext => {
    const group = groups.get(region.group)!;
    return { target, buffers, group, purpose, views: ownBuffers(buffers), addsToDx, emitted };
  };
  const regions = contraction.regions.map((region): RegionPlan => {
    const addsToDx = written.has(region.input);
    written.add(region.input);
    const context = contextOf(region, addsToDx);
    const { candidate, because, rejected } =
      mostRank === undefined
        ? best(region, context, adapters, options)
        : {
            candidate: byRow(region, context, mostRank),
            because: 'rows have adapters of their own',
            rejected: [],
          };
    for (const launches of candidate.weights) {
      // a weight that layers of two regions read is made once
      const { name } = launches.at(-1)!;
      if (!weights.has(name)) weights.set(name, launches);
    }
    const sizes = region.layers.map((layer) => {
      const { packed } = buffers.weight(layer).matrix;
      return [tokens, region.in, layer.out, packed] as const;
    });
    const forward = basePrediction(target, sizes);
    const backward = basePrediction(
      target,
      sizes.map(([rows, inner, cols, packed]) => [rows, cols, inner, packed] as const),
    );
    const base = { forward, backward, launches: region.layers.length };
    const { strategy, scheme } = candidate;
    const launches = { forward: candidate.forward, backward: candidate.backward };
    return { region, strategy, scheme, because, ...launches, base, rejected };
  });
  const merging = options.merging
    ? mergingOf(contraction.regions, (region) => contextOf(region, false))
    : null;
  const folding = contraction.groups.filter(
    ({ id }) =>
      merging !== null ||
      regions.some(
        ({ region, strategy, scheme }) =>
          region.group === id && !['token', 'rows'].includes(strategy) && scheme !== 'S0',
      ),
  );
  const prologue = [
    ...folding.flatMap((group) => prologueOf(group, buffers, target)),
    ...[...weights.values()].flat(),
  ];
  const epilogue = purpose === 'train' ? epilogueOf(contraction.groups, buffers, target) : [];
  const all = [
    ...prologue,
    ...regions.flatMap((r) => [...r.forward, ...r.backward]),
    ...epilogue,
    ...(merging ? [...merging.merge, ...merging.unmerge, ...merging.forward.flat()] : []),
  ];
  return {
    description: contraction.description,
    device,
    dtype,
    ...rounded,
    tokens,
    purpose,
    adapters,
    ...(mostRank === undefined ? {} : { mostRank }),
    groups: contraction.groups,
    buffers: buffers.usedBy(all),
    prologue,
    regions,
    epilogue,
    ...(merging ? { merging } : {}),
    skipped: contraction.skipped,
  };
}

/** Rows of the table that a plan may take. */
const openRows = ({
  device,
  schedules = [],
  subgroups = false,
  matrix,
}: PlanOptions): readonly ScheduleRow[] =>
  [...schedules, ...device.tiles].filter(
    ({ schedule }) => (subgroups || !schedule.subgroups) && (!schedule.matrix || schedule.matrix === matrix),
  );

const typesOf = (device: DeviceProfile): readonly KernelDtype[] =>
  (['f32', 'f16', 'bf16'] as const).filter((dtype) => device.flops[dtype] !== null);

/** A strategy that may be tried, or why not. */
interface Choice {
  readonly key: StrategyKey;
  readonly name: string;
  readonly make: (region: LayerRegion, context: RegionContext) => RegionCandidate;
  refuse(
    region: LayerRegion,
    context: RegionContext,
    adapters: number,
    wanted: StrategyKey | undefined,
    merging: boolean,
  ): string | null;
}

const CHOICES: readonly Choice[] = [
  {
    key: 'split',
    name: 'split + concat-K (S1)',
    make: split,
    refuse: (region, { group, target }, adapters) =>
      adapters > 1 && againstToken(region, group) === null
        ? `L' of ${adapters} adapters would be folded and kept for every layer: ` +
          `${byteText(adapters * region.rank * group.out, target)} instead of ` +
          `${byteText(adapters * region.rank * group.rank, target)} per layer`
        : null,
  },
  {
    key: 'widen',
    name: 'one widened launch (S2)',
    make: widened,
    refuse: (region, context, adapters, wanted) => {
      const { purpose, target } = context;
      if (purpose === 'train') return 'the backward pass needs P itself, so no launch is saved';
      if (adapters > 1) return 'the row blocks of several adapters are too small for it';
      if (target.tokens > WIDEN.tokens) {
        return `${target.tokens} tokens: recomputing P in every column tile pays up to ${WIDEN.tokens}`;
      }
      if (region.rank > WIDEN.rank) return `rank ${region.rank}: it pays up to rank ${WIDEN.rank}`;
      if (wanted !== 'widen' && inVectorsAlone(region, context))
        return 'W is read in vectors, which no merged launch does, and its workgroups would each compute P: only on request (--form widen)';
      if (wanted !== 'widen' && arePacked(region.layers) && target.device.features.includes('staged'))
        return 'words of packed weights are loaded 16 bytes at a time, which no merged launch does: only on request (--form widen)';
      return target.device.features.includes('mma') && wanted !== 'widen'
        ? 'matrix units take no widened product, and CUDA cores need longer than two launches: only on request (--form widen)'
        : null;
    },
  },
  {
    key: 'token',
    name: 'token form',
    make: byToken,
    refuse: (region, { group, purpose }, adapters) => {
      const never = againstToken(region, group);
      if (never !== null) return never;
      if (purpose === 'train') return "it repeats the work of L' for every token and does not share dP";
      return adapters === 1 ? "with one adapter L' is folded once and costs the tokens nothing" : null;
    },
  },
  {
    key: 'merged',
    name: 'merged weight',
    make: merged,
    refuse: ({ layers }, { purpose }, adapters) => {
      if (arePacked(layers)) return 'nothing can be added to weights that are packed';
      if (adapters > 1) return 'every adapter would need its own copy of the weight';
      return purpose === 'serve'
        ? 'the adapter is to be exchangeable; for a fixed one `lotrc merge` has no overhead at all'
        : null;
    },
  },
  {
    key: 'bordered',
    name: 'bordered weight (S0)',
    make: bordered,
    refuse: ({ layers }, { target, group }, adapters, wanted, merging) => {
      if (arePacked(layers)) return 'the library does not multiply packed weights';
      if (group.form.down.bare === null)
        return 'what x is multiplied by is computed, and its border is a copy of a factor';
      if (!target.device.features.includes('library'))
        return 'it needs a vendor library that multiplies strided matrices';
      if (adapters > 1) return 'the border of a weight holds one adapter';
      if (merging) return 'the kernels of --merge fold into a weight that is a buffer of its own';
      return wanted === 'bordered' || target.device.libraryFlops !== undefined
        ? null
        : 'whoever makes x and dy has to leave room for P and dP in every row: only on request (--form bordered)';
    },
  },
];

/** Whether the layers of a region, each a launch of its own, are read in vectors. */
function inVectorsAlone({ layers, rank, in: inner }: LayerRegion, { target }: RegionContext): boolean {
  const { db, device, dtype, tokens: rows } = target;
  return layers.every(({ out: cols }) => {
    const vectors = [inner, rank, cols].every((length) => length % VECTOR === 0);
    const { schedule } = pickSchedule(db, device, { family: 'gemm', dtype, rows, cols, inner, vectors });
    return vectors && device.api === 'webgpu' && readsVectors(schedule);
  });
}

const arePacked = (layers: LayerRegion['layers']): boolean => layers.some(({ packed }) => packed);

/** Why no layer of a region can take the token form, whatever is asked for. */
function againstToken({ downs }: LayerRegion, { form }: Group): string | null {
  if (form.up.bare !== null) return 'two factors have no core to multiply tokens with';
  if (form.core === null) return 'what P is multiplied by is not the product of a core and a last factor';
  if (form.down.bare === null) return 'what x is multiplied by is computed of factors';
  return downs.length > 1 ? 'the layers share no P' : null;
}

/** Why the middle factor is never multiplied into the first one, R' = s R M. */
const againstRFold = ({ layers }: LayerRegion, { group }: RegionContext): Rejected => ({
  strategy: 'R-fold',
  because:
    group.form.up.bare !== null
      ? 'with two factors it is the same as L-fold'
      : layers.length > 1
        ? `x would be read ${layers.length} times for x R', P is shared`
        : "x R' costs what x R costs, and its gradient needs x^T G for every layer",
});

const byteText = (elements: number, { dtype }: Target) => siText(elements * ELEMENT_BYTES[dtype], 'B');

/** The wanted strategy, or the first one in CHOICES that no other one is clearly cheaper than. */
function best(
  region: LayerRegion,
  context: RegionContext,
  adapters: number,
  { strategy: wanted, merging = false }: PlanOptions,
) {
  const rejected: Rejected[] = [];
  const priced: Priced[] = [];
  for (const { key, name, make, refuse } of CHOICES) {
    const because = refuse(region, context, adapters, wanted, merging);
    if (because !== null) {
      if (key === wanted) fail(formRefused({ form: name, region: region.label, because }));
      rejected.push({ strategy: name, because });
      continue;
    }
    const candidate = make(region, context);
    const { weights, forward, backward } = candidate;
    const launches = [...weights.flat(), ...forward, ...backward].flatMap(context.emitted);
    priced.push({ key, name, candidate, ...total(launches) });
  }
  const chosen =
    priced.find(({ key }) => key === wanted) ?? priced.reduce((a, b) => (clearlyFaster(b, a) ? b : a));
  const others = priced.filter((entry) => entry !== chosen);
  const lost = others.map((entry) => ({ strategy: entry.name, because: compared(entry, chosen) }));
  const least = others.every(({ seconds }) => seconds >= chosen.seconds);
  const because =
    chosen.key === wanted
      ? 'requested'
      : others.length === 0
        ? 'the only form that is open here'
        : least
          ? 'the cheapest of what is open here'
          : 'nothing that is open here is clearly cheaper';
  return {
    candidate: chosen.candidate,
    because,
    rejected: [...lost, ...rejected, againstRFold(region, context)],
  };
}

interface Priced extends Predicted {
  readonly key: StrategyKey;
  readonly name: string;
  readonly candidate: RegionCandidate;
}

function compared(entry: Priced, chosen: Priced): string {
  const difference = entry.seconds - chosen.seconds;
  const side = difference >= 0 ? `${timeText(difference)} more` : `${timeText(-difference)} less`;
  return `predicted ${timeText(entry.seconds)} against ${timeText(chosen.seconds)}, ${side}`;
}

/** Name of a scheme in messages. */
export function strategyName({ strategy, scheme }: Pick<RegionPlan, 'strategy' | 'scheme'>): string {
  if (strategy === 'merged') return 'merged weight';
  if (strategy === 'rows') return 'row by row, and a product per layer';
  if (strategy === 'token') return 'token form, concat-K';
  if (scheme === 'S0') return 'bordered weight (S0)';
  return scheme === 'S2' ? 'one widened launch per layer (S2)' : 'split + concat-K (S1)';
}
