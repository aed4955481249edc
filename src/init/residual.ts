import { effectiveScale } from '../adapter/description.js';
import { factorNames, readBy } from '../adapter/plan-factors.js';
import type { PlanRow, SiteRow } from '../adapter/saved-plan.js';
import { type DeltaSplit, deltaTerm, splitAtInput } from '../adapter/terms.js';
import { numbersOf } from '../adapter/to-numbers/tensor.js';
import { evaluateTerm } from '../adapter/to-numbers/term.js';
import { residualRefused } from '../ir/codes/init.js';
import { fail } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import { BaseTensor, type ByteSink, MemoryTensor, type TensorData, type TensorOrigin } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import { addProduct, transposeMatrix } from './dense.js';
import type { StoredMatrix } from './weights.js';

/** Elements of a weight that are computed at a time. */
const BLOCK = 1 << 18;

/**
 * What a weight keeps when the adapter takes over its leading part: W - (s / alpha) F1 F2 ..., in the layout, shape and
 * element type of `stored`, computed when it is read, in blocks of rows. The factors are the ones that `initFactors`
 * gave, already rounded to float32, and s is rounded to float32 as in the written graph; the difference is computed in
 * float64 and rounded once. So at step 0 each effective weight of the adapted model is off by that one rounding.
 *
 * How a pass applies it: for each site, and for each distinct stored tensor that its uses read, add a new initializer
 * with this data and let exactly the site's uses read it; other readers of the weight (a tied embedding, say) keep the
 * old one. The digests in the plan must name the new weights. Throws LOTR3408 when a result is not finite.
 */
export function residualWeight(
  plan: PlanRow,
  site: SiteRow,
  stored: StoredMatrix,
  factors: ReadonlyMap<string, TensorData>,
): TensorData {
  const group = plan.groups.find(({ id }) => id === site.group);
  if (!group) throw new Error(`the plan has no group "${site.group}"`);
  const term = deltaTerm(plan.spec.delta);
  const data = factorNames(plan, site).map((name, k) => {
    const found = factors.get(name);
    if (!found) throw new Error(`no values for ${name} of "${site.id}"`);
    return readBy(plan, site, k, found);
  });
  const refuse = (why: string): never => fail(residualRefused({ site: site.id, why }));
  if (!isFloat(stored.data.dtype)) return refuse(`its elements are ${stored.data.dtype}`);
  if (stored.alpha === 0) return refuse('the layer multiplies it by zero');
  const scale = Math.fround(effectiveScale(plan.spec, group.rank)) / stored.alpha;
  const split = splitAtInput(term);
  if (!split) return refuse(`${plan.spec.method} is not a product of two matrices`);
  return new ResidualTensor(stored, { split, factors: data }, scale, refuse);
}

/** Factors whose delta is a matrix times the rest. */
interface Parts {
  readonly split: DeltaSplit;
  readonly factors: readonly TensorData[];
}

class ResidualTensor extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'computed', by: 'init:residual' };
  readonly #stored: StoredMatrix;
  readonly #parts: Parts;
  readonly #scale: number;
  readonly #refuse: (why: string) => never;

  constructor(stored: StoredMatrix, parts: Parts, scale: number, refuse: (why: string) => never) {
    super(stored.data.dtype, stored.data.shape, stored.data.byteLength);
    this.#stored = stored;
    this.#parts = parts;
    this.#scale = scale;
    this.#refuse = refuse;
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.byteLength);
    let at = 0;
    this.copyTo({
      write(chunk) {
        whole.set(chunk, at);
        at += chunk.byteLength;
      },
    });
    return whole;
  }

  override copyTo(sink: ByteSink): void {
    const { left, right, rank } = this.#split();
    const [rows, columns] = [this.shape[0]!, this.shape[1]!];
    const rowBytes = this.byteLength / Math.max(1, rows);
    const step = Math.max(1, Math.floor(BLOCK / Math.max(1, columns)));
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const part = this.#stored.data.slice(row * rowBytes, count * rowBytes);
      // a copy: for float64 the numbers may lie over the stored bytes themselves
      const values = toF64(new MemoryTensor(this.dtype, [count, columns], part)).slice();
      // the sign and the scale are in `left`
      addProduct(values, left.subarray(row * rank, (row + count) * rank), right, count, rank, columns);
      const made = encodeFloats(this.dtype, values);
      if (!toF64(new MemoryTensor(this.dtype, [count, columns], made)).every(Number.isFinite)) {
        this.#refuse('the result is not finite');
      }
      sink.write(made);
    }
  }

  /** -scale * product = left right, both laid like the stored matrix: (rows, rank) and (rank, columns). */
  #split(): { left: Float64Array; right: Float64Array; rank: number } {
    const { split, factors } = this.#parts;
    const { shape, data } = numbersOf(factors[split.first]!);
    const [inn, rank] = shape as [number, number];
    const head = data.map((x) => -this.#scale * x);
    const rest = split.others.map((k) => numbersOf(factors[k]!));
    const tail = evaluateTerm(split.rest, rest);
    if (this.#stored.layout === 'io') return { left: head, right: tail.data, rank };
    return {
      left: transposeMatrix(tail.data, rank, tail.shape[1]!),
      right: transposeMatrix(head, inn, rank),
      rank,
    };
  }
}
