import { visible } from '../src/ir/visible.js';
import type { Run } from './program.js';

/** Says what a command that writes files did; with --quiet nothing. */
export function tell({ io, reporter }: Run, text: string): void {
  if (reporter.level !== 'quiet') io.out(text);
}

/** Names a command that may come next, to a person at a terminal. Paths in it come from the command line. */
export function suggest({ io, reporter }: Run, next: string): void {
  if (io.terminal && reporter.format === 'text') io.err(`next: ${visible(next)}\n`);
}
