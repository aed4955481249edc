import type { ChangeRow, ParamRow, Signature } from './signature.js';

/** What is wrong with the changes of a signature, or null: products that are none, graphs that do not take and give them. */
export function changeFault({ changes = [], params, graphs }: Signature): string | null {
  if (changes.length === 0) return null;
  const { grad, apply } = graphs;
  const rows = new Map(params.map((row) => [row.name, row]));
  for (const row of changes) {
    const refuse = (why: string) => `field "changes": ${JSON.stringify(row.name)} ${why}`;
    if (!fitsProduct(row, rows)) return refuse('is not the product of its factors');
    for (const ports of [apply?.inputs, apply?.outputs]) {
      if (!ports?.some(({ role, param }) => role === 'change' && param === row.name))
        return refuse('is not taken and given by apply');
    }
    if (!grad?.outputs.some(({ role, param }) => role === 'grad' && param === row.name))
      return refuse('has no gradient in grad');
  }
  return null;
}

/** Whether the factors of a change are matrices that can be multiplied, and give its shape. */
function fitsProduct(
  { shape, factors }: ChangeRow,
  rows: ReadonlyMap<string, Pick<ParamRow, 'shape'>>,
): boolean {
  const shapes = factors.map((name) => rows.get(name)?.shape ?? []);
  const [first, last] = [shapes[0]!, shapes.at(-1)!];
  const meets = shapes.every((own, k) => own.length === 2 && (k === 0 || own[0] === shapes[k - 1]![1]));
  return meets && first[0] === shape[0] && last[1] === shape[1];
}
