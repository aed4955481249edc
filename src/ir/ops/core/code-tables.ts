/** The numbers, then the same with a minus. */
function signed(values: readonly number[]): readonly number[] {
  return [...values, ...values.map((v) => -v)];
}

/** Tables of sixteen numbers that 4-bit codes of com.microsoft::MatMulBnb4 stand for. */
export type CodeTable = 'fp4' | 'nf4';

/** Floating point of 4 bits, and the quantiles of a normal distribution (arXiv 2305.14314). */
export const CODE_TABLES: Readonly<Record<CodeTable, readonly number[]>> = {
  fp4: signed([0, 5.208333333e-3, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4]),
  nf4: [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
};

/** The table of an attribute `quant_type`; undefined for a number that names none. */
export const codeTable = (quantType: number): CodeTable | undefined => (['fp4', 'nf4'] as const)[quantType];
