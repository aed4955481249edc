import { visible } from '../../src/ir/visible.js';
import type { Run } from '../program.js';
import { outcomeLine } from './report.js';
import type { BuildEvents } from './run.js';

/** Says what happens in a build: diagnostics and lines of steps, and through `say` a line for each step that was not up to date. */
export function eventsTo(
  run: Run,
  say: (line: string) => void,
  started: BuildEvents['started'] = () => undefined,
): BuildEvents {
  return {
    started,
    ended: (outcome) => say(outcomeLine(outcome)),
    report: (diagnostics, exitCode) => {
      run.reporter.report(diagnostics);
      run.exitCode = Math.max(run.exitCode, exitCode);
    },
    line: (step, text) => run.io.err(`${visible(step.id)}: ${visible(text)}\n`),
  };
}
