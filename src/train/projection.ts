import { matrixProduct, transposeMatrix } from '../init/dense.js';
import { leadingOfRank } from '../init/leading-product.js';
import { tucker2 } from '../init/tucker.js';
import { bare } from '../ir/keys.js';
import type { HeldTensor, HeldTensors, ProjectedApply } from './runner/runner.js';
import type { ChangeRow, Port, Signature, TensorRole } from './signature.js';

/** Turns that improve the factors of a stack after the first decomposition. */
const SWEEPS = 2;

/** Extents up to which all singular vectors are computed. Beyond, only the leading ones are looked for, which takes far less. */
const EXACT_EXTENT = 128;
const methodFor = (m: number, n: number) => (Math.max(m, n) <= EXACT_EXTENT ? 'gram' : 'krylov');

/** The step of a directory whose optimizer has a projection; nothing is projected when it was not finite. */
export function projectedApply({ graphs, changes: rows = [] }: Signature): ProjectedApply {
  return {
    async apply(runner, hold, given, outputs) {
      const apply = graphs.apply!;
      const portOf = (ports: readonly Port[], role: TensorRole, of?: string): string =>
        ports.find((port) => port.role === role && port.param === of)!.name;
      const factors = await runner.save([...new Set(rows.flatMap((row) => row.factors))]);
      const feeds = bare(Object.entries(given));
      for (const [name, tensor] of changesOf(rows, factors))
        feeds[portOf(apply.inputs, 'change', name)] = { type: 'float32', ...tensor };
      const finite = portOf(apply.outputs, 'finite');
      const after = rows.map(({ name }) => [name, portOf(apply.outputs, 'change', name)] as const);
      const wanted = [...outputs, finite, ...after.map(([, output]) => output)];
      const results = await runner.run('apply', feeds, wanted);
      if (results[finite]!.data[0]) {
        const changes = after.map(([name, output]): [string, HeldTensor] => {
          const { dims, data } = results[output]!;
          return [name, { dims, data: data as Float32Array }];
        });
        for (const [name, tensor] of factorsOf(rows, new Map(changes), factors)) hold(name, tensor);
      }
      return results;
    },
  };
}

/** The changes that factors make to weights. */
export function changesOf(rows: readonly ChangeRow[], factors: HeldTensors): HeldTensors {
  return new Map(
    rows.map(({ name, shape, factors: names, scale }): [string, HeldTensor] => {
      let product: Float64Array = new Float64Array();
      let columns = 0;
      for (const factor of names) {
        const { dims, data } = factors.get(factor)!;
        const [rows, next] = dims as [number, number];
        const own = Float64Array.from(data);
        product = columns === 0 ? own : matrixProduct(product, own, product.length / rows, rows, next);
        columns = next;
      }
      return [name, { dims: shape, data: Float32Array.from(product, (x) => scale * x) }];
    }),
  );
}

/**
 * The factors whose changes are nearest to these, in float64. Factors that a change has for itself are those of its singular
 * vectors, with the singular values divided evenly; factors that changes share have orthonormal columns and rows. `before`: the
 * factors until now.
 */
function factorsOf(rows: readonly ChangeRow[], changes: HeldTensors, before: HeldTensors): HeldTensors {
  const found = new Map<string, HeldTensor>();
  const take = (name: string, values: Float64Array): void => {
    found.set(name, { dims: before.get(name)!.dims, data: Float32Array.from(values) });
  };
  const whole = ({ name, scale }: ChangeRow) => Float64Array.from(changes.get(name)!.data, (x) => x / scale);
  const stacks = new Map<string, ChangeRow[]>();
  for (const row of rows) {
    const [first, second] = row.factors as [string, string];
    if (row.factors.length === 2) {
      const [m, n] = row.shape;
      const rank = before.get(first)!.dims[1]!;
      const { left, right } = leadingOfRank(whole(row), m, n, rank, methodFor(m, n));
      take(first, transposeMatrix(left, rank, m));
      take(second, transposeMatrix(right, n, rank));
    } else stacks.set(first, [...(stacks.get(first) ?? []), row]);
  }
  for (const [first, stack] of stacks) {
    const [m, n] = stack[0]!.shape;
    const { u, v, core } = tucker2(
      { count: stack.length, in: m, out: n, weight: (index) => whole(stack[index]!) },
      { rank: before.get(first)!.dims[1]!, sweeps: SWEEPS, method: methodFor(m, n) },
    );
    take(first, u);
    take(stack[0]!.factors[2]!, v);
    for (const [index, row] of stack.entries()) take(row.factors[1]!, core(index));
  }
  return found;
}
