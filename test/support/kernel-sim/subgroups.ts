import { KernelFault, permutation, type Subgroup } from './memory.js';

/**
 * How a device divides a workgroup: the number of invocations in a subgroup, and whether they are neighbours or any
 * (`seed`). The last subgroup may have fewer.
 */
export interface Division {
  readonly size: number;
  readonly mapping?: 'neighbours' | { readonly seed: number };
}

export const WARPS: Division = { size: 32 };

/** The subgroup of every invocation of a workgroup and its number there. */
export function divided(threads: number, { size, mapping = 'neighbours' }: Division, group: number) {
  const order = permutation(threads, mapping === 'neighbours' ? 'forward' : mapping, group);
  const subgroups = Array.from(
    { length: Math.ceil(threads / size) },
    (_, number): Subgroup => ({
      size: Math.min(size, threads - number * size),
      number,
      waiting: new Map(),
      sum: 0,
      matrices: [],
    }),
  );
  const members = new Array<{ subgroup: Subgroup; peer: number }>(threads);
  for (const [place, index] of order.entries())
    members[index] = { subgroup: subgroups[Math.floor(place / size)]!, peer: place % size };
  return members;
}

/** What a thread yields when it stops: it waits for its subgroup, or (nothing) for the workgroup. */
export type Stop = 'subgroup' | undefined;

/**
 * Runs all invocations of a workgroup to their next barrier, or to their end, each as far as its subgroup lets it: sums
 * are taken when all of a subgroup have reached them, in any order. Returns the number of invocations that have ended.
 */
export function untilBarrier(
  running: readonly Generator<Stop, void>[],
  subgroupOf: (index: number) => Subgroup,
  order: readonly number[],
): number {
  let ended = 0;
  const stopped = new Set<number>();
  let members: ReadonlyMap<Subgroup, readonly number[]> | undefined;
  let due = [...order];
  while (due.length > 0) {
    const next: number[] = [];
    for (const index of due) {
      const { done, value } = running[index]!.next();
      if (done) ended++;
      if (done || value !== 'subgroup') continue;
      stopped.add(index);
      const subgroup = subgroupOf(index);
      if (subgroup.waiting.size < subgroup.size) continue;
      add(subgroup);
      members ??= membersOf(subgroupOf, order);
      for (const other of members.get(subgroup)!) {
        stopped.delete(other);
        next.push(other);
      }
    }
    due = next;
  }
  if (stopped.size > 0)
    throw new KernelFault('subgroup', `${stopped.size} invocations wait for others of their subgroup`);
  return ended;
}

/** The invocations of each subgroup, in the order in which they run. */
function membersOf(subgroupOf: (index: number) => Subgroup, order: readonly number[]) {
  const members = new Map<Subgroup, number[]>();
  for (const index of order) {
    const subgroup = subgroupOf(index);
    if (members.has(subgroup)) members.get(subgroup)!.push(index);
    else members.set(subgroup, [index]);
  }
  return members;
}

/** Pairs of neighbours, then pairs of pairs, as hardware does it. */
function add(subgroup: Subgroup): void {
  const brought = [...subgroup.waiting].sort(([a], [b]) => a - b).map(([, value]) => value);
  if (new Set(brought.map(({ at }) => at)).size > 1)
    throw new KernelFault('subgroup', 'invocations of a subgroup wait for different sums');
  let values = brought.map(({ value }) => value);
  while (values.length > 1)
    values = values.flatMap((value, at) =>
      at % 2 === 0 ? [Math.fround(value + (values[at + 1] ?? 0))] : [],
    );
  subgroup.sum = values[0]!;
  subgroup.waiting.clear();
}
