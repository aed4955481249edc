import { CODE_TABLES, type CodeTable } from '../../../ir/ops/core/code-tables.js';
import type { Segment } from '../model/types.js';

/** The tables that codes of packed operands are looked up in, each once. */
export const codeTablesOf = (segments: readonly Segment[]): readonly CodeTable[] => [
  ...new Set(segments.flatMap(({ b }) => b.matrix.packed?.table ?? [])),
];

/** Bytes of workgroup memory that these tables take: a number in float32 for each code. */
export const codeTableBytes = (segments: readonly Segment[]): number =>
  codeTablesOf(segments).reduce((sum, table) => sum + 4 * CODE_TABLES[table].length, 0);
