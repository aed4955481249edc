import { Command } from 'commander';
import type { BackEnd } from '../src/backends/backend.js';
import { visibleLines } from '../src/ir/visible.js';
import { COMMON } from '../src/options/sets/models.js';
import { addOptions } from './declare/from-set.js';
import { EXIT, EXIT_MEANINGS, failureOf } from './failure.js';
import type { Io } from './io.js';
import { lookUp } from './look-up.js';
import { type DiagnosticsFormat, type Level, Reporter } from './reporter.js';

/** The streams and the environment of a command, and its exit code, which it may raise. */
export interface Run {
  /** with --quiet, what goes to `err` is left out; what an option asks for goes to that of the reporter */
  readonly io: Io;
  readonly reporter: Reporter;
  exitCode: number;
}

/**
 * Runs one command line (without `node` and the script) and returns its exit code, one of `EXIT`. Never throws and never ends the process. `backEnds`: those of `lotrc emit`.
 */
export async function main(argv: readonly string[], io: Io, backEnds?: readonly BackEnd[]): Promise<number> {
  // names from a model must not control the terminal, whatever prints them
  const out = fileOnStdout(argv) ? io.err : io.out;
  const shown: Io = { ...io, out: (text) => out(visibleLines(text)) };
  const level = wantedLevel(argv);
  const run: Run = {
    io: level === 'quiet' ? { ...shown, err: () => undefined } : shown,
    reporter: new Reporter(shown, wantedFormat(argv), level),
    exitCode: EXIT.ok,
  };
  try {
    const program = await buildProgram(run, backEnds, argv);
    const common = addOptions(new Command(), COMMON).options;
    await program.parseAsync([...lookUp(program, argv, common)], { from: 'user' });
    if (run.reporter.hasErrors && run.exitCode === EXIT.ok) run.exitCode = EXIT.diagnostics;
  } catch (error) {
    const { diagnostics, exitCode } = await failureOf(error, argv);
    run.reporter.report(diagnostics);
    run.exitCode = exitCode;
  }
  run.reporter.end();
  return run.exitCode;
}

/** Whether stdout takes a file: then texts go to stderr. */
const fileOnStdout = (argv: readonly string[]): boolean =>
  argv.includes('--output=-') ||
  argv.some((word, at) => /^(-o|--output)$/.test(word) && argv[at + 1] === '-');

/** Likewise how much is said. */
function wantedLevel(argv: readonly string[]): Level {
  const has = (...words: readonly string[]) => argv.some((word) => words.includes(word));
  return has('-q', '--quiet') ? 'quiet' : has('-v', '--verbose') ? 'verbose' : 'usual';
}

/** The format is needed before the options are parsed, because parsing them may fail. */
function wantedFormat(argv: readonly string[]): DiagnosticsFormat {
  const at = argv.indexOf('--diagnostics');
  return argv[at + 1] === 'json' && at >= 0 ? 'json' : argv.includes('--diagnostics=json') ? 'json' : 'text';
}

/** Adds commands to the program. `backEnds`: those of `lotrc emit`. */
type Declare = (program: Command, run: Run, backEnds: () => Promise<readonly BackEnd[]>) => Promise<void>;

/** Commands by what declares them, which is loaded when one of them is asked for. In the order of `--help`. */
const GROUPS: readonly (readonly [names: readonly string[], declare: Declare])[] = [
  [
    ['inspect', 'print', 'verify', 'run'],
    async (program, run) => (await import('./declare/models.js')).declareModelCommands(program, run),
  ],
  [
    ['rewrite', 'merge', 'extract', 'apply', 'convert', 'combine', 'compress', 'strip'],
    async (program, run) => (await import('./declare/adapters.js')).declareAdapterCommands(program, run),
  ],
  [
    ['emit'],
    async (program, run, backEnds) => {
      (await import('./declare/train.js')).declareEmitCommands(program, run);
      (await import('./declare/gpu.js')).declareGpuCommands(program, run, await backEnds());
    },
  ],
  [
    ['doctor'],
    async (program, run) => (await import('./declare/doctor.js')).declareDoctorCommand(program, run),
  ],
  [
    ['tune', 'train', 'eval'],
    async (program, run) => (await import('./declare/tune.js')).declareTuneCommands(program, run),
  ],
  [
    ['sweep', 'table', 'bench'],
    async (program, run) => (await import('./declare/study.js')).declareStudyCommands(program, run),
  ],
  [
    ['init', 'build', 'check', 'diff'],
    async (program, run) => (await import('./declare/build.js')).declareBuildCommands(program, run),
  ],
  [['logs'], async (program, run) => (await import('./declare/logs.js')).declareLogsCommands(program, run)],
  [
    ['methods', 'passes', 'explain', 'demo', 'completion'],
    async (program, run, backEnds) =>
      (await import('./declare/help.js')).declareHelpCommands(program, run, backEnds),
  ],
];

/** Commands that must know all others. */
const WHOLE: ReadonlySet<string> = new Set(['completion']);

/**
 * The commands that a command line may mean: those declared with the one that it begins with, and all where it begins otherwise, as
 * for help. Declaring them loads no code that works on models.
 */
export async function buildProgram(
  run: Run,
  backEnds?: readonly BackEnd[],
  argv: readonly string[] = [],
): Promise<Command> {
  const program = new Command('lotrc')
    .description('The adapter compiler for ONNX: gives the linear layers of a model LoTR or LoRA adapters.')
    .addHelpText('after', EXAMPLES)
    .option('-V, --version', 'print the version')
    .usage('COMMAND [options]')
    .helpCommand(false)
    .action(async () => {
      if (!program.opts().version) program.help({ error: false });
      const { version } = await import('./version.js');
      run.io.out(`${version()}\n`);
    });
  const word = argv.find((one) => !one.startsWith('-')) ?? '';
  const asked = WHOLE.has(word) ? undefined : GROUPS.find(([names]) => names.includes(word));
  const known = async () => backEnds ?? (await import('../src/backends/backend.js')).BACK_ENDS;
  for (const [, declare] of asked ? [asked] : GROUPS) await declare(program, run, known);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((c) => c.commands)]) {
    settle(command, run);
  }
  return program;
}

/** Commander must not write to the process's streams or end it, and its messages become diagnostics. */
function settle(command: Command, run: Run): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => run.io.out(text),
      writeErr: () => {},
      getOutHelpWidth: () => 100,
      getOutHasColors: () => false,
    })
    .allowExcessArguments(command.parent === null);
  if (command.parent) addOptions(command, COMMON);
}

const EXAMPLES = `
Examples:
  lotrc inspect model.onnx                     list the linear layers
  lotrc rewrite model.onnx --rank 8            write model.lotr.onnx and model.lotr.safetensors
  lotrc merge model.lotr.onnx -o merged.onnx   fold the adapters into the weights
  lotrc explain LOTR3006                       what a diagnostic means

Models may be .onnx files or .onnxtxt, the text form that \`lotrc print\` gives.
Exit codes: ${EXIT_MEANINGS.map(([name, meaning]) => `${EXIT[name]} ${meaning}`).join(', ')}.`;
