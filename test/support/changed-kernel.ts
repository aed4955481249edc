import type { Kernel, Stmt } from '../../src/backends/kernel/ir/kir.js';

/** A kernel with statements changed; null drops one. */
export function changed(kernel: Kernel, change: (stmt: Stmt) => Stmt | null): Kernel {
  const block = (body: readonly Stmt[]): Stmt[] =>
    body.flatMap((stmt) => {
      const after = change('body' in stmt ? { ...stmt, body: block(stmt.body) } : stmt);
      return after ? [after] : [];
    });
  return { ...kernel, body: block(kernel.body) };
}
