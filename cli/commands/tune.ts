import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import { presetValues } from '../../src/build/presets.js';
import { type Proposal, proposalOf, proposedValues } from '../../src/build/proposal/proposal.js';
import { FIXED_BY_START, TUNE } from '../../src/build/tune-set.js';
import { cannotTune } from '../../src/ir/codes/build.js';
import { noTrainingData } from '../../src/ir/codes/train.js';
import { fail } from '../../src/ir/diagnostics.js';
import { makeFolders } from '../../src/ir/files/folders.js';
import { planModel } from '../../src/ir/onnx/writer.js';
import { visible } from '../../src/ir/visible.js';
import { defaultsOf, flagOf, type OptionSet, type ValuesOf } from '../../src/options/define.js';
import { APPLY, MERGE, REWRITE, SELECT } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import { readLogs } from '../../src/train/logs/find.js';
import type { LogRow } from '../../src/train/logs/rows.js';
import { METRIC_NAMES } from '../../src/train/metrics/index.js';
import { TRAIN } from '../../src/train/option-set.js';
import { requireNoRun } from '../../src/train/settings.js';
import { readAdapter } from '../adapter-file.js';
import { EXIT } from '../failure.js';
import { tokenizerOf } from '../find-model.js';
import { loadModel } from '../load.js';
import {
  defaultOutput,
  filesText,
  outputFile,
  refuseInputs,
  type Written,
  writeArtifacts,
} from '../outputs.js';
import type { Run } from '../program.js';
import { STANDARD } from '../standard-streams.js';
import { tell } from '../tell.js';
import { table } from '../text.js';
import { applyCommand } from './apply.js';
import { emitTrainCommand } from './emit-train.js';
import { mergeCommand } from './merge.js';
import { writeRewritten } from './rewrite.js';
import { trainCommand } from './train.js';

type TuneOptions = ValuesOf<typeof TUNE>;

/** Where a run keeps what it makes. */
interface Places {
  readonly folder: string;
  /** the rewritten model, until the graphs are made of it */
  readonly start: string;
  readonly training: string;
  readonly run: string;
  readonly adapter: string;
  readonly adapted: string;
  readonly merged: string;
}

/** Gives a model adapters, trains them on a data file, and writes the adapter and the model with it. */
export async function tuneCommand(
  path: string,
  asked: TuneOptions,
  told: ReadonlySet<string>,
  host: Run,
): Promise<void> {
  const { options, given } = together(asked, told);
  const places = placesOf(path, options.output);
  // the results of the commands are parts of this one's
  const run: Run = {
    io: { out: () => undefined, err: host.io.err },
    reporter: host.reporter,
    exitCode: EXIT.ok,
  };
  let proposal: Proposal | null = null;
  // throws before anything is trained where weights cannot be referred to, or do not fit into one file
  planModel(loadModel(path), places.adapted, { weights: options.weights });
  if (options.resume) refuseFixed(given);
  else {
    if (options.data === undefined) fail(noTrainingData({}));
    refuseInputs([places.adapter, places.adapted, places.merged, places.training], [], options.clobber);
    requireNoRun(places.run);
    proposal = proposalOf(() => loadModel(path));
    await start(path, proposal, options, given, places, run);
  }
  const trains = trainOptions(path, proposal, options, given, places);
  const keys = new Set([...given].filter((key) => Object.hasOwn(TRAIN, key)));
  const { best } = await trainCommand(places.training, trains, keys, run);
  if (run.exitCode !== EXIT.ok) {
    host.exitCode = run.exitCode;
    host.io.err(`to go on: lotrc tune ${visible(path)} -o ${visible(places.folder)} --resume\n`);
    return;
  }
  const files = finish(path, options, places, run);
  const { before, after } = lossesOf(places.run, best?.step ?? null);
  if (options.json) {
    const report = { version: 1, output: places.folder, before: asJson(before), after: asJson(after), files };
    host.io.out(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  tell(host, changeText(before, after));
  tell(host, `${filesText(files)}the curves: ${visible(join(places.run, 'report.html'))}\n`);
}

/** The options with what --preset and --recipe stand for, as if it had been given. A run that is resumed has it already. */
function together(
  options: TuneOptions,
  given: ReadonlySet<string>,
): { readonly options: TuneOptions; readonly given: ReadonlySet<string> } {
  if (options.resume) return { options, given };
  const meant = Object.entries(presetValues(options.preset, options.recipe)).filter(
    ([key]) => !given.has(key),
  );
  return {
    options: { ...options, ...Object.fromEntries(meant) },
    given: new Set([...given, ...meant.map(([key]) => key)]),
  };
}

function placesOf(path: string, output: string | undefined): Places {
  if (output === STANDARD) refuseUsage('-o names a folder: several files are made');
  const folder = output ?? outputFile(undefined, defaultOutput(path, '.tuned'));
  const named = (ending: string) => join(folder, basename(defaultOutput(path, ending)));
  return {
    folder,
    start: join(folder, 'start'),
    training: join(folder, 'training'),
    run: join(folder, 'run'),
    adapter: named('.safetensors'),
    adapted: named('.lotr.onnx'),
    merged: named('.merged.onnx'),
  };
}

/** Throws a usage error for options that the graphs of a run were made with. */
function refuseFixed(given: ReadonlySet<string>): void {
  const set: OptionSet = TUNE;
  const fixed = [...given]
    .filter((key) => FIXED_BY_START.has(key))
    .map((key) => `--${flagOf(key, set[key]!)}`);
  if (fixed.length > 0)
    refuseUsage(
      `${fixed.join(', ')} cannot change when a run is resumed: its graphs are made; leave --resume out and choose another folder`,
    );
}

/** Rewrites the model and writes the graphs that train it. */
async function start(
  path: string,
  proposal: Proposal,
  options: TuneOptions,
  given: ReadonlySet<string>,
  places: Places,
  run: Run,
): Promise<void> {
  const { training: proposed, purpose } = proposal;
  if (proposed === null && !given.has('loss')) fail(cannotTune({ file: path, about: purpose.about }));
  run.io.err(`${visible(path)} ${visible(purpose.about)}\n`);
  rmSync(places.start, { recursive: true, force: true });
  makeFolders(places.start);
  try {
    const output = join(places.start, basename(places.adapted));
    const adapts = {
      ...defaultsOf(REWRITE),
      ...takenFrom(REWRITE, options),
      ...ownRewrite(proposal, options, given),
    };
    writeRewritten(path, { ...adapts, weights: 'keep', adapter: undefined, json: false, output }, run);
    const emits = {
      ...defaultsOf(ONNX_TRAIN),
      ...takenFrom(ONNX_TRAIN, options),
      ...proposedValues(
        (proposed ?? []).filter(({ key }) => !given.has(key) && (key === 'alsoTrain' || !given.has('loss'))),
      ),
      labels: options.labelInput,
      output: places.training,
      json: false,
    };
    await emitTrainCommand(output, emits as ValuesOf<typeof ONNX_TRAIN>, run);
  } finally {
    rmSync(places.start, { recursive: true, force: true });
  }
}

/** The values of options that a command has too. */
function takenFrom(set: OptionSet, options: TuneOptions): object {
  return Object.fromEntries(Object.entries(options).filter(([key]) => Object.hasOwn(set, key)));
}

/** Rank, scale and initial factors that fit the model; those of another method are its own. */
function ownRewrite(
  { rewrite }: Proposal,
  options: TuneOptions,
  given: ReadonlySet<string>,
): { readonly rank: number } {
  const fits = proposedValues(rewrite.filter(({ key }) => !given.has(key)));
  const rank = options.rank ?? (fits.rank as number);
  if (options.method !== SELECT.method.default) return { rank };
  return { ...fits, rank, ...(given.has('scale') ? {} : { scale: rank }) };
}

function trainOptions(
  path: string,
  proposal: Proposal | null,
  options: TuneOptions,
  given: ReadonlySet<string>,
  places: Places,
): ValuesOf<typeof TRAIN> {
  const fits = (proposal?.train ?? []).filter(({ key }) => key === 'maxLength' && !given.has(key));
  const tokenizer = options.tokenizer ?? (proposal?.purpose.text ? tokenizerOf(path) : null) ?? undefined;
  const evalSplit = options.evalData !== undefined && !given.has('evalSplit') ? 0 : options.evalSplit;
  const own = {
    ...takenFrom(TRAIN, options),
    ...proposedValues(fits),
    tokenizer,
    evalSplit,
    output: places.run,
    json: false,
  };
  return { ...defaultsOf(TRAIN), ...own };
}

/** Writes the adapter, the model with it, and the model with it folded in. */
function finish(path: string, { weights }: TuneOptions, places: Places, run: Run): readonly Written[] {
  const trained = join(places.run, 'adapter.safetensors');
  const adapter = { adapter: readAdapter(trained), path: places.adapter };
  const files = writeArtifacts({ adapter, inputs: [path, trained] }, run);
  const applied = applyCommand(
    path,
    places.adapter,
    { ...defaultsOf(APPLY), weights, output: places.adapted },
    run,
  );
  const merged = mergeCommand(places.adapted, { ...defaultsOf(MERGE), weights, output: places.merged }, run);
  return [...files, ...applied, ...merged.files];
}

/** What a log says of a step. */
interface Result {
  readonly step: number;
  readonly on: string;
  readonly values: ReadonlyMap<string, number>;
}

/** The evaluation before the first step and that of the parameters that were kept; without evaluations, the first and last step. */
function lossesOf(folder: string, best: number | null): { readonly before: Result; readonly after: Result } {
  const rows = readLogs([folder]).logs.flatMap((log) => log.rows);
  const of = (split: string) => rows.filter((row) => row.split === split && row.values.has('loss'));
  const evaluations = of('eval');
  const steps = of('train');
  const result = ({ step, values }: LogRow, on: string): Result => ({ step, on, values });
  const kept = evaluations.find(({ step }) => step === best);
  return kept
    ? { before: result(evaluations[0]!, 'evaluation'), after: result(kept, 'evaluation') }
    : { before: result(steps[0]!, 'training'), after: result(steps.at(-1)!, 'training') };
}

function asJson({ step, on, values }: Result): object {
  return {
    step,
    on,
    ...Object.fromEntries(
      METRIC_NAMES.flatMap((name) => (values.has(name) ? [[name, values.get(name)]] : [])),
    ),
  };
}

function changeText(before: Result, after: Result): string {
  const names = METRIC_NAMES.filter((name) => before.values.has(name));
  const row = (what: string, { step, values }: Result) => [
    what,
    String(step),
    ...names.map((name) => values.get(name)!.toFixed(4)),
  ];
  const head = [before.on === 'evaluation' ? 'evaluation' : 'training', 'step', ...names];
  const stays = before.on === 'evaluation' && after.step === before.step;
  return `${table([head, row('before', before), row('after', after)])}${stays ? STAYS : ''}`;
}

const STAYS =
  'no evaluation was better than the one before training, whose parameters were kept: try another --lr or --epochs\n';
