import type { Model } from '../src/ir/model.js';
import { printModel } from '../src/ir/text/index.js';
import type { GivenOf } from '../src/options/define.js';
import type { WATCH } from '../src/options/sets/shared.js';
import { type PassTiming, type PipelineHooks, reproducer } from '../src/passes/pipeline.js';
import { aboutThisLotrc, writeReport } from './crash.js';
import type { Run } from './program.js';

/** The model as text for readers: without the places of weights, which passes do not change. */
export const printed = (model: Model): string => printModel(model, { locations: false });

/** What `--print-ir-after` and `--time` watch, and the reproducer that a failing pass leaves. */
export function hooksOf({ printIrAfter, time }: GivenOf<typeof WATCH>, run: Run): readonly PipelineHooks[] {
  const wanted = printIrAfter === undefined ? new Set<string>() : new Set(printIrAfter.split(','));
  const shows = ({ pass, changed }: PassTiming): boolean =>
    wanted.has('all') ||
    (wanted.has('changed') && changed !== 'unchanged') ||
    wanted.has(pass.split('{')[0]!);
  return [
    {
      afterPass(timing, model) {
        if (time) run.io.err(timeRow(timing));
        if (shows(timing)) run.io.err(`# after ${timing.pass}\n${printed(model)}\n`);
      },
      onFailure: (rest, before) =>
        before === null ? null : writeReport(`# ${aboutThisLotrc()}\n${reproducer(before, rest)}`, 'onnxtxt'),
    },
  ];
}

/** `  1.2 ms  insert-adapters  12 nodes, 14 factors`; the verifier's time has its own column. */
function timeRow({ pass, milliseconds, verifyMilliseconds, stats }: PassTiming): string {
  const ms = (value: number) => `${value.toFixed(1).padStart(8)} ms`;
  const counts = [...stats].map(([name, value]) => `${value} ${name}`).join(', ');
  return `${ms(milliseconds)}  verify ${ms(verifyMilliseconds)}  ${pass.split('{')[0]!.padEnd(16)} ${counts}`
    .trimEnd()
    .concat('\n');
}
