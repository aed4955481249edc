import { join } from 'node:path';
import { toldToEnd } from '../../src/ir/codes/distributed.js';
import { noTrainingData } from '../../src/ir/codes/train.js';
import { optionIgnored } from '../../src/ir/codes/train-data.js';
import { type Diagnostic, fail } from '../../src/ir/diagnostics.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import { refuseUsage } from '../../src/options/usage.js';
import { readPosition } from '../../src/train/checkpoint.js';
import { classesText } from '../../src/train/data/labels.js';
import { ALONE, type ProcessGroup } from '../../src/train/distributed/group.js';
import type { Evaluation } from '../../src/train/evaluate.js';
import type { TRAIN } from '../../src/train/option-set.js';
import { readSignature } from '../../src/train/read-signature.js';
import { type RunSettings, readSettings } from '../../src/train/settings.js';
import {
  RUN_FILES,
  type TrainEvents,
  type Trained,
  type TrainRequest,
  train,
} from '../../src/train/train.js';
import { readingOf, requireTogether, trainingPlanOf } from '../../src/train/values.js';
import { EXIT } from '../failure.js';
import { refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { Progress } from '../progress.js';
import { Reporter } from '../reporter.js';
import { suggest, tell } from '../tell.js';
import { num } from '../text.js';
import { resumed, unusedNotes } from '../train-options.js';
import { evaluationText, introduction } from '../training-text.js';

type TrainCommandOptions = ValuesOf<typeof TRAIN>;

/** Trains, alone or with the other processes of a job, shows how it goes, and says where the adapter is. */
export async function trainCommand(
  folder: string,
  options: TrainCommandOptions,
  given: ReadonlySet<string>,
  run: Run,
): Promise<Trained> {
  if (options.distributed === undefined) {
    if (given.has('rankTimeout'))
      run.reporter.report(optionIgnored({ option: '--rank-timeout', why: 'one process trains alone' }));
    return trainInGroup(folder, options, given, run, ALONE);
  }
  const { joinMpi } = await import('../../src/train/distributed/mpi/open.js');
  const { group, leave } = await joinMpi(options.rankTimeout);
  const said = group.rank === 0 ? run : silentRun(run);
  try {
    const result = await trainInGroup(folder, options, given, said, group);
    await leave();
    run.exitCode = said.exitCode;
    return result;
  } catch (error) {
    // what all ranks refuse, the first one says; its end ends the others
    await pause(group.rank * SPEAKS_AFTER);
    if (group.size > 1) run.reporter.announce(`rank ${group.rank} of ${group.size}:`);
    throw error;
  }
}

/** Milliseconds that each rank waits for the one before it to say what is wrong. */
const SPEAKS_AFTER = 1000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The run of a rank that says nothing but how it fails. */
function silentRun(run: Run): Run {
  const io = { ...run.io, out: () => undefined, err: () => undefined };
  return { io, reporter: new Reporter(io, 'text', 'quiet'), exitCode: run.exitCode };
}

async function trainInGroup(
  folder: string,
  options: TrainCommandOptions,
  given: ReadonlySet<string>,
  run: Run,
  group: ProcessGroup,
): Promise<Trained> {
  const output = options.output ?? join(folder, 'run');
  if (!options.clobber) {
    if (options.resume) refuseUsage('--resume goes on with the files of the run: leave --no-clobber out');
    await group.ofFirst(() =>
      refuseInputs(
        RUN_FILES.map((name) => join(output, name)),
        [],
        false,
      ),
    );
  }
  const held = await group.ofFirst(() => (options.resume ? readSettings(output) : null));
  const request = requestOf(folder, output, options, given, held);
  run.reporter.report(ignored(request, given));
  const progress = new Progress(run.io);
  // until then nothing is written, and Ctrl-C ends the process at once, also while it reads
  let stop: Interrupt | null = null;
  let taken = 0;
  const told = () => {
    if (group.size === 1) return;
    progress.end();
    run.reporter.report(toldToEnd({ step: taken, saved: readPosition(output)?.step ?? null }));
  };
  try {
    const events: TrainEvents = {
      reading: (reading) => progress.read(reading),
      opened: ({ notes, unused, labels }) => {
        run.reporter.report([...notes, ...unusedNotes(unused, given)]);
        const classes = classesText(labels);
        if (classes !== null) run.io.err(`classes: ${visible(classes)}\n`);
      },
      started: (info) => {
        stop = catchInterrupt(told);
        run.io.err(introduction(info));
      },
      step: (row, total) => {
        taken = row.step;
        progress.step(row, total);
      },
      evaluated: (step, evaluation, best) => progress.line(evaluationLine(step, evaluation, best)),
      note: (diagnostic) => {
        progress.end();
        run.reporter.report(diagnostic);
      },
      interrupted: () => stop?.asked() ?? false,
    };
    // ranks that have no events must not end at a signal either: all end after one step
    if (group.rank > 0) stop = catchInterrupt(() => undefined);
    const result = await train(request, events, group);
    progress.end();
    if (!result.finished) run.exitCode = EXIT.interrupted;
    if (options.json) run.io.out(`${JSON.stringify({ version: 1, output, ...result }, null, 2)}\n`);
    else if (result.adapter) {
      tell(run, `wrote ${result.adapter}\nthe curves: ${join(output, 'report.html')}\n`);
      suggest(run, `lotrc apply BASE ${result.adapter}`);
    }
    return result;
  } finally {
    progress.end();
    (stop as Interrupt | null)?.release();
  }
}

function requestOf(
  folder: string,
  output: string,
  options: TrainCommandOptions,
  given: ReadonlySet<string>,
  held: RunSettings | null,
): TrainRequest {
  const o = held ? { ...options, ...resumed(held, given) } : options;
  const data = o.data ?? fail(noTrainingData({}));
  requireTogether(o);
  const signature = readSignature(folder);
  const plan = trainingPlanOf(o, signature);
  return {
    folder,
    output,
    data,
    evalData: o.evalData ?? null,
    evalSplit: o.evalSplit,
    ...(o.streaming ? { window: o.shuffleWindow } : {}),
    reading: readingOf(o),
    batchSize: o.batchSize,
    plan,
    ep: o.ep,
    threads: o.threads,
    lowMemory: o.lowMemory,
    inputs: o.inputs ?? new Map(),
    resume: options.resume,
    inProcess: options.inProcess,
  };
}

/** Options that were given and that nothing reads, with the reason. */
function ignored(request: TrainRequest, given: ReadonlySet<string>): readonly Diagnostic[] {
  const { kind } = request.plan.schedule;
  const evaluates = request.evalData !== null || request.evalSplit > 0;
  const idle = [
    { name: 'power', option: '--power', used: kind === 'polynomial', why: `the schedule is ${kind}` },
    { name: 'minLr', option: '--min-lr', used: kind !== 'constant', why: 'the schedule is constant' },
    {
      name: 'evalEvery',
      option: '--eval-every',
      used: evaluates,
      why: 'there is nothing to evaluate on (--eval-data or --eval-split)',
    },
    {
      name: 'shuffleWindow',
      option: '--shuffle-window',
      used: request.window !== undefined,
      why: 'without --streaming all examples are shuffled among themselves',
    },
  ].filter(({ name, used }) => given.has(name) && !used);
  return idle.map(({ option, why }) => optionIgnored({ option, why }));
}

function evaluationLine(step: number, evaluation: Evaluation, best: boolean): string {
  return `step ${num(step)}: evaluation ${evaluationText(evaluation)}${best ? ' (best so far)' : ''}`;
}

interface Interrupt {
  /** whether the run is to end */
  asked(): boolean;
  /** leaves the signals to the system again */
  release(): void;
}

/** Ctrl-C and termination ask the run to end after its step, and call `told`; a second one ends the process at once. */
function catchInterrupt(told: () => void): Interrupt {
  let asked = false;
  const ask = () => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    told();
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  return {
    asked: () => asked,
    release: () => {
      process.off('SIGINT', ask);
      process.off('SIGTERM', ask);
    },
  };
}
