import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { TrainingRun } from '../../src/train/run.js';
import { batchOf, type Extents } from './feeds.js';

interface Event {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

/** Time of one step by operator, as a table: takes three steps and counts the last. */
export async function profileTable(folder: string, extents: Extents): Promise<string> {
  const prefix = join(folder, 'profile');
  const run = TrainingRun.open(folder, { threads: 2, profile: prefix, inProcess: true });
  for (let step = 0; step < 3; step++) await run.step(batchOf(run.signature, extents, 50265), 1e-3);
  await run.close();
  const file = readdirSync(folder).find((name) => name.startsWith('profile'))!;
  const events = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Event[];
  rmSync(join(folder, file));
  const kernels = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
  const last = kernels.slice(Math.floor((kernels.length * 2) / 3));
  const by = new Map<string, { count: number; micros: number }>();
  for (const { args, dur } of last) {
    const row = by.get(args.op_name ?? '?') ?? { count: 0, micros: 0 };
    by.set(args.op_name ?? '?', { count: row.count + 1, micros: row.micros + dur });
  }
  const total = last.reduce((sum, { dur }) => sum + dur, 0);
  const rows = [...by].sort(([, a], [, b]) => b.micros - a.micros).slice(0, 14);
  const lines = rows.map(
    ([op, { count, micros }]) =>
      `  ${(micros / 1000).toFixed(1).padStart(8)} ms ${((100 * micros) / total).toFixed(1).padStart(5)} %  ${op} (${count})`,
  );
  return [`where the time of a step goes: ${(total / 1000).toFixed(0)} ms in kernels`, ...lines].join('\n');
}
