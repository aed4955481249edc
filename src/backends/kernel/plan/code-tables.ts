import { CODE_TABLES, type CodeTable } from '../../../ir/ops/core/code-tables.js';
import type { Packed, Segment } from '../model/types.js';

/** The tables that codes of packed operands are looked up in, each once. */
export const codeTablesOf = (packed: readonly (Packed | undefined)[]): readonly CodeTable[] => [
  ...new Set(packed.flatMap((one) => one?.table ?? [])),
];

/** Bytes of workgroup memory that these tables take: a number in float32 for each code. */
export const codeTableBytes = (segments: readonly Segment[]): number =>
  codeTablesOf(segments.map(({ b }) => b.matrix.packed)).reduce(
    (sum, table) => sum + 4 * CODE_TABLES[table].length,
    0,
  );
