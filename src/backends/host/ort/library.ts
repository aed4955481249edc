import type { Launch } from '../../kernel/model/types.js';
import { type ProductRequest, productLaunch, type Target } from '../../kernel/plan/launches.js';

/** A product by calls of cuBLASLt, in the place of an emitted kernel. */
export interface LibraryCalls {
  /** the fewest rows that they are made for: from there on they are predicted to take less time */
  readonly from: number;
  readonly calls: readonly Launch[];
}

/** Numbers of rows for which forms are compared: powers of two up to this. */
const MOST_ROWS = 2 ** 16;

/**
 * A sum of products, such as x W + P L' + b, by one call for each, or null where the emitted kernel is predicted to take less time for every number of rows. Each
 * call adds to the result of the one before it, which lies in memory in the type of the layer. The adapter's product is the first, so
 * that what is rounded in between is small.
 */
export function callsInstead(target: Target, wanted: ProductRequest): LibraryCalls | null {
  const { segments, epilogue, does, ...rest } = wanted;
  // elsewhere prices differ by what is assumed of a library: that its tiles fit and that it never waits
  if (!target.device.libraryFlops) return null;
  const callsFor = (tokens: number): readonly Launch[] =>
    segments.toReversed().map((segment, index) =>
      productLaunch(
        { ...target, tokens },
        {
          ...{ ...rest, does, family: 'blas', segments: [segment] },
          epilogue: index === segments.length - 1 ? { ...epilogue, accumulate: index > 0 } : {},
        },
      ),
    );
  const cheaper = (tokens: number) =>
    callsFor(tokens).reduce((sum, { predicted }) => sum + predicted.seconds, 0) <
    productLaunch({ ...target, tokens }, wanted).predicted.seconds;
  let from: number | null = null;
  for (let rows = MOST_ROWS; rows >= 1 && cheaper(rows); rows /= 2) from = rows;
  return from === null ? null : { from, calls: callsFor(target.tokens) };
}

/** The C++ statements that make a call; `operands`: C++ expressions of matrices. All are dense, and the library multiplies no other. */
export function callText({ name, work }: Launch, operands: Readonly<Record<string, string>>): string {
  if (work.kind !== 'product') throw new Error(`${name} is not a product`);
  const [{ a, b, inner }] = work.segments as [(typeof work.segments)[0]];
  const { bias, accumulate } = work.epilogue;
  const shape = ['M', inner, work.cols, b.transposed];
  const matrices = [a.matrix.buffer, b.matrix.buffer].map((buffer) => operands[buffer]!);
  const rest = [bias ? operands[bias.buffer]! : 'nullptr', operands[work.out.buffer]!, accumulate];
  return `LOTRC_TRY(product(${['queue', `"${name}"`, ...shape, ...matrices, ...rest].join(', ')}));`;
}
