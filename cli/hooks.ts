import type { Model } from '../src/ir/model.js';
import { printModel } from '../src/ir/text/index.js';
import type { GivenOf } from '../src/options/define.js';
import type { WATCH } from '../src/options/sets/shared.js';
import { type PassTiming, type PipelineHooks, reproducer } from '../src/passes/pipeline.js';
import { aboutThisLotrc, writeReport } from './crash.js';
import { loadModel } from './load.js';
import type { Run } from './program.js';

/** The model as text for readers: without the places of weights, which passes do not change. */
export const printed = (model: Model): string => printModel(model, { locations: false });

/** What `--print-ir-after` and `--time` watch, and the reproducer that a failing pass leaves. */
export function hooksOf(
  { printIrAfter, time }: GivenOf<typeof WATCH>,
  run: Run,
  /** the model of the command, for a failure that no pipeline can repeat */
  source?: string,
): readonly PipelineHooks[] {
  const wanted = printIrAfter === undefined ? new Set<string>() : new Set(printIrAfter.split(','));
  const shows = ({ pass, changed }: PassTiming): boolean =>
    wanted.has('all') ||
    (wanted.has('changed') && changed !== 'unchanged') ||
    wanted.has(pass.split('{')[0]!);
  return [
    {
      afterPass(timing, model) {
        if (time) run.reporter.io.err(timeRow(timing));
        const of = timing.of === null ? '' : ` of ${timing.of}`;
        if (shows(timing)) run.reporter.io.err(`# after ${timing.pass}${of}\n${printed(model)}\n`);
      },
      onFailure: (rest, before) => {
        const text =
          rest !== null && before !== null ? reproducer(before, rest) : source && commandAgain(source);
        return text ? writeReport(`# ${aboutThisLotrc()}\n${text}`, 'onnxtxt') : null;
      },
    },
  ];
}

/** The model of this command as text, with the command to run on it; null when the file cannot be read any more. */
function commandAgain(source: string): string | null {
  try {
    const words = process.argv.slice(2).map((word) => (word === source ? '%s' : JSON.stringify(word)));
    return `# RUN: lotrc ${words.join(' ')}\n${printed(loadModel(source))}`;
  } catch {
    return null; // the failure to be reported is the first one
  }
}

/** `  1.2 ms  insert-adapters  12 nodes, 14 factors`; the verifier's time has its own column. */
function timeRow({ of, pass, milliseconds, verifyMilliseconds, stats }: PassTiming): string {
  const ms = (value: number) => `${value.toFixed(1).padStart(8)} ms`;
  const counts = [...stats].map(([name, value]) => `${value} ${name}`).join(', ');
  return `${ms(milliseconds)}  verify ${ms(verifyMilliseconds)}  ${of === null ? '' : `${of.padEnd(14)} `}${pass.split('{')[0]!.padEnd(16)} ${counts}`
    .trimEnd()
    .concat('\n');
}
