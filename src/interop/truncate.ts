import { effectiveScale } from '../adapter/description.js';
import { LOTR } from '../adapter/methods/lotr.js';
import { hasFormOf } from '../adapter/same-form.js';
import { type GroupRow, PLAN_KEY, type PlanRow, type SavedPlan } from '../adapter/saved-plan.js';
import { numbersOf } from '../adapter/to-numbers/tensor.js';
import {
  joinedRows,
  matrixProduct,
  orthonormalBasis,
  productTransposed,
  transposeMatrix,
} from '../init/dense.js';
import { tucker2 } from '../init/tucker.js';
import { cannotTruncate } from '../ir/codes/interop.js';
import { fail } from '../ir/diagnostics.js';
import { MemoryTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats } from '../ir/values.js';
import { type Adapter, planOfAdapter } from '../passes/adapters/adapter-file.js';
import { countTrainable } from '../passes/sites/counts.js';

/** What became of a group. */
interface TruncatedGroup {
  readonly id: string;
  readonly in: number;
  readonly out: number;
  readonly layers: number;
  readonly before: number;
  readonly rank: number;
  /** of all its layers together, relative (Frobenius norms) */
  readonly error: number;
}

export interface Truncated {
  readonly adapter: Adapter;
  readonly groups: readonly TruncatedGroup[];
  /** trained values of the factors */
  readonly before: number;
  readonly after: number;
}

/** Improvements of both sides in turn; they end by themselves where none is left. */
const SWEEPS = 50;

/**
 * A LoTR adapter with at most so many trained values in its factors: every group gets the largest common rank that fits, and its matrices
 * R M_l L are approximated together (Tucker-2). In the space of R and L: matrices of the size of a layer are never made. Weights that were
 * trained in full stay as they are. Throws LOTR7503 for other methods and for a number that does not fit, and as `planOfAdapter`.
 */
export function truncateAdapter(adapter: Adapter, parameters: number, file: string): Truncated {
  const plan = planOfAdapter(adapter, file);
  for (const row of plan.plans) {
    const why = problemOf(row);
    if (why !== null) fail(cannotTruncate({ file, why }));
  }
  const before = countTrainable(plan.plans);
  const ranks = plan.plans.flatMap(({ groups }) => groups.map(({ rank }) => rank));
  let rank = Math.max(...ranks);
  while (rank > 0 && countTrainable(atRank(plan.plans, rank)) > parameters) rank--;
  if (rank === 0) {
    const least = countTrainable(atRank(plan.plans, 1));
    fail(cannotTruncate({ file, why: `at rank 1 it has ${least} trained values, more than ${parameters}` }));
  }
  if (rank === Math.max(...ranks))
    fail(
      cannotTruncate({ file, why: `it has ${before} trained values, which is no more than ${parameters}` }),
    );
  const plans = atRank(plan.plans, rank);
  const tensors = new Map(adapter.tensors);
  const groups = plan.plans.flatMap((row) =>
    row.groups.map((group) => truncateGroup(row, group, Math.min(rank, group.rank), tensors)),
  );
  const saved: SavedPlan = { ...plan, plans };
  return {
    adapter: { tensors, metadata: { ...adapter.metadata, [PLAN_KEY]: JSON.stringify(saved) } },
    groups,
    before,
    after: countTrainable(plans),
  };
}

const problemOf = ({ spec }: PlanRow): string | null =>
  hasFormOf(spec, LOTR)
    ? null
    : `its method is ${spec.method}, and only R M L with R and L of a group can be made smaller`;

const atRank = (plans: readonly PlanRow[], rank: number): readonly PlanRow[] =>
  plans.map((row) => ({
    ...row,
    groups: row.groups.map((group) => ({ ...group, rank: Math.min(rank, group.rank) })),
  }));

/** Puts the factors of a group at a rank into `tensors`. */
function truncateGroup(
  { spec, sites }: PlanRow,
  group: GroupRow,
  rank: number,
  tensors: Map<string, TensorData>,
): TruncatedGroup {
  const { id, in: n, out: m, rank: r } = group;
  const [first, middle, last] = spec.factors.map(({ name }) => name) as [string, string, string];
  const dataOf = (name: string): Float64Array => Float64Array.from(numbersOf(tensors.get(name)!).data);
  const own = sites.filter((site) => site.group === id);
  const cores = [...new Set(own.map(({ factors }) => factors[middle]!))];
  const [nameR, nameL] = [group.factors[first]!, group.factors[last]!];
  // R = Q a with orthonormal columns Q, L = b P with orthonormal rows P; both kept as rows
  const rows = transposeMatrix(dataOf(nameR), n, r);
  const q = joinedRows(orthonormalBasis(rows, r, n), n);
  const a = productTransposed(q, rows, r, r, n);
  const wide = dataOf(nameL);
  const p = joinedRows(orthonormalBasis(wide, r, m), m);
  const b = productTransposed(wide, p, r, r, m);
  const small = (index: number): Float64Array =>
    matrixProduct(matrixProduct(a, dataOf(cores[index]!), r, r, r), b, r, r, r);
  const { u, v, core } = tucker2(
    { count: cores.length, in: r, out: r, weight: small },
    { rank, sweeps: SWEEPS },
  );
  // the scale is over the rank: the cores make up for it
  const factor = effectiveScale(spec, r) / effectiveScale(spec, rank);
  let [whole, kept] = [0, 0];
  const made = cores.map((name, index) => {
    const left = core(index);
    whole += squares(small(index));
    kept += squares(left);
    return [name, [rank, rank], left.map((value) => value * factor)] as const;
  });
  const narrow = transposeMatrix(matrixProduct(transposeMatrix(u, r, rank), q, rank, r, n), rank, n);
  const outer = [
    [nameR, [n, rank], narrow],
    [nameL, [rank, m], matrixProduct(v, p, rank, r, m)],
  ] as const;
  for (const [name, shape, values] of [...outer, ...made]) {
    const { dtype } = tensors.get(name)!;
    tensors.set(name, new MemoryTensor(dtype, shape, encodeFloats(dtype, values)));
  }
  const error = whole === 0 ? 0 : Math.sqrt(Math.max(0, 1 - kept / whole));
  return { id, in: n, out: m, layers: own.length, before: r, rank, error };
}

const squares = (values: Float64Array): number => values.reduce((sum, value) => sum + value * value, 0);
