import type { Kernel } from '../../kernel/ir/kir.js';
import { isPackedOperand } from '../../kernel/ir/warpgroups.js';
import type { KernelPlan, Launch } from '../../kernel/model/types.js';
import type { BoundKernel } from '../shared/kernels.js';
import { launchesOf } from '../shared/tables.js';

/**
 * Launches that may begin before the launch before them has ended (programmatic dependent launch, sm_90 and newer). The launches of
 * a function of the library run one after another in one stream. A product for warpgroups reads most of what it reads before
 * it waits for the launches before it (`settle`); the reduction in front of it, which adds the parts of a sum, waits at once, so
 * that the product may begin with the launch that computes those parts.
 *
 * What a launch does before it waits may happen while any launch runs since the last one that did not begin early, that one
 * included: that one began when everything before it had ended, also what the caller launched, and everything later may run. So
 * a product begins early only where it reads nothing before its wait that one of these writes. What it stores, it stores after
 * the wait, because results follow from the last tiles: a buffer may be read or written by these. The first launch of
 * a function never begins early, and no launch after a call of a vendor's library does.
 *
 * A launch has ended only when those before it have: each that begins early waits for them in every block. Products for warpgroups
 * release the next launch at their end alone (their blocks leave no room for others).
 */
interface Overlaps {
  /** names of launches that begin early */
  readonly early: ReadonlySet<string>;
  /** the kernels for any device, with what they tell the launch after them and ask of those before */
  readonly kernels: Kernels;
}

/** Kernels by the names of launches. */
type Kernels = ReadonlyMap<string, BoundKernel>;

/** `twins`: the kernels for warpgroups, which run in the place of `kernels` where launches may overlap. */
export function overlapsOf(plan: KernelPlan, kernels: Kernels, twins: Kernels): Overlaps {
  const early = new Set<string>();
  const flags = new Map<Kernel, Pick<Kernel, 'releases' | 'settles'>>();
  const flag = ({ kernel }: BoundKernel, how: Pick<Kernel, 'releases' | 'settles'>) => {
    if (!kernel.ring) flags.set(kernel, { ...flags.get(kernel), ...how });
  };
  for (const chain of chainsOf(plan)) {
    const bound = chain.map(({ name }) => twins.get(name) ?? kernels.get(name) ?? null);
    for (const [index, begins] of whichBeginEarly(bound).entries()) {
      if (!begins) continue;
      early.add(chain[index]!.name);
      flag(bound[index]!, { settles: true });
      flag(bound[index - 1]!, { releases: true });
    }
  }
  const own = new Map([...flags].map(([kernel, how]) => [kernel, { ...kernel, ...how }]));
  const flagged = [...kernels].map(([name, one]) => {
    return [name, { ...one, kernel: own.get(one.kernel) ?? one.kernel }] as const;
  });
  return { early, kernels: new Map(flagged) };
}

/** The launches of a lowered plan that begin early, for readers of the plan; empty where none does. */
export function overlapText(plan: KernelPlan, early: Overlaps['early']): string {
  if (early.size === 0) return '';
  const counts = new Map<string, { early: number; all: number }>();
  for (const { name, does } of launchesOf(plan)) {
    const { early: before, all } = counts.get(does) ?? { early: 0, all: 0 };
    counts.set(does, { early: before + (early.has(name) ? 1 : 0), all: all + 1 });
  }
  const rows = [...counts].filter(([, count]) => count.early > 0);
  return [
    '',
    'on devices with warpgroups these launches begin before the one before them has ended (no prediction counts that)',
    ...rows.map(([does, count]) => `  ${does}: ${count.early} of ${count.all}`),
    '',
  ].join('\n');
}

/** Launches that follow each other in one call of the library. */
const chainsOf = ({ prologue, regions, epilogue, merging }: KernelPlan): readonly (readonly Launch[])[] => [
  prologue,
  ...regions.flatMap(({ forward, backward }) => [forward, backward]),
  epilogue,
  ...(merging ? [merging.merge, merging.unmerge, ...merging.forward] : []),
];

/** Which launches of a chain begin early; null: a call of a vendor's library. */
export function whichBeginEarly(chain: readonly (BoundKernel | null)[]): readonly boolean[] {
  const products = beginEarly(chain, () => false);
  // a reduction waits before it does anything: it always may, and does where a product follows that then begins with it
  return beginEarly(chain, (index) => {
    const { launch } = chain[index]!;
    return products[index + 1] === true && launch.work.kind === 'finish' && !chain[index]!.kernel.ring;
  });
}

function beginEarly(
  chain: readonly (BoundKernel | null)[],
  atOnce: (index: number) => boolean,
): readonly boolean[] {
  // what launches write that may not have ended when the next one begins early; null: it may not
  let running: Set<string> | null = null;
  return chain.map((one, index) => {
    if (!one) {
      running = null;
      return false;
    }
    const before = readsBeforeWaiting(one);
    const early: boolean =
      running !== null && (atOnce(index) || (before !== null && before.every((name) => !running!.has(name))));
    if (!early) running = new Set();
    for (const { name, access } of one.kernel.buffers)
      if (access !== 'read') running!.add(one.buffers.get(name)!);
    return early;
  });
}

/** Buffers of the plan that a kernel for warpgroups may read before it waits; null: it does not wait. */
function readsBeforeWaiting({ kernel, buffers }: BoundKernel): readonly string[] | null {
  const feeds = kernel.body.flatMap((stmt) =>
    stmt.s === 'roles' ? stmt.first.flatMap((inner) => (inner.s === 'each' ? inner.body : [])) : [],
  );
  const wait = feeds.findIndex(({ s }) => s === 'settle');
  if (wait < 0) return null;
  const viewed = new Map((kernel.maps ?? []).map(({ name, view }) => [name, view.buffer]));
  const fed = feeds
    .slice(0, wait)
    .flatMap((stmt) => (stmt.s === 'feed' ? [stmt.tiles.a, stmt.tiles.b] : []))
    // words are reached by pointers
    .flatMap((operand) => (isPackedOperand(operand) ? [] : [operand.map]));
  // what a pointer reaches is read after the last tiles, but a compiler may read what nothing writes in this launch before
  const pointed = kernel.buffers.filter(({ mapped, access }) => !mapped && access !== 'write');
  const own = new Set([...fed.map((map) => viewed.get(map)!), ...pointed.map(({ name }) => name)]);
  return [...own].map((name) => buffers.get(name)!);
}
