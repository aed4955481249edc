/** A kernel: the versions of the op that it was registered for, and element types of its data operand. */
interface Kernel {
  readonly from: number;
  /** last version; null: none was given */
  readonly to: number | null;
  /** null: every type of fixed size */
  readonly types: ReadonlySet<string> | null;
}

interface KernelRow {
  /** the input whose element type decides */
  readonly operand: number;
  readonly versions: readonly Kernel[];
}

/** Kernels of an execution provider by op key. */
export type KernelTable = ReadonlyMap<string, KernelRow>;

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  float: ['f16', 'f32', 'f64'],
  int: ['i8', 'i16', 'i32', 'i64', 'u8', 'u16', 'u32', 'u64'],
  wide: ['i32', 'i64', 'u32', 'u64'],
};

/**
 * Reads a table: one op a line, `OP[@OPERAND] FROM[-TO] TYPES | ...`, where TYPES are element types, `float` (16 to 64
 * bits), `int` (8 to 64 bits), `wide` (integers of 32 and 64 bits) or `any`.
 */
export function kernelTable(text: string): KernelTable {
  const rows = text.trim().split('\n').map(row);
  return new Map(rows);
}

function row(line: string): [string, KernelRow] {
  const [head, ...rest] = line.split(' ');
  const [op, operand = '0'] = head!.split('@');
  return [op!, { operand: Number(operand), versions: rest.join(' ').split(' | ').map(kernel) }];
}

function kernel(text: string): Kernel {
  const [range, ...types] = text.split(' ');
  const [from, to] = range!.split('-');
  return {
    from: Number(from),
    to: to === undefined ? null : Number(to),
    types: types[0] === 'any' ? null : new Set(types.flatMap((type) => GROUPS[type] ?? [type])),
  };
}
