import { existsSync, statSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { depfileText } from '../../src/build/depfile.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { isFolder } from '../../src/ir/files/folders.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { BUILD } from '../../src/options/sets/build.js';
import { findConfig, shownPath } from '../build/load-config.js';
import { buildJson, outcomeLine, summary } from '../build/report.js';
import { type BuildRequest, type Built, build } from '../build/run.js';
import { changed, type States, stateOf } from '../build/watch.js';
import { EXIT, failureOf } from '../failure.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { usageError } from '../usage.js';

type BuildOptions = ValuesOf<typeof BUILD>;

/** Builds what the config says, once or whenever a file changes. */
export async function buildCommand(options: BuildOptions, run: Run): Promise<void> {
  const { watch, json, depfile, dryRun, config, cache, jobs, force } = options;
  if (watch && json) throw usageError('--json is the result of one build: leave --watch out');
  if (dryRun && (watch || depfile !== undefined))
    throw usageError(`--dry-run writes nothing: leave ${watch ? '--watch' : '--depfile'} out`);
  const request: BuildRequest = { config, cache, jobs, force, dryRun };
  if (!watch) {
    await once(request, options, run);
    return;
  }
  // the config may be wrong, at first or later
  const file = findConfig(config);
  let states: States = new Map();
  for (let again = force; ; again = false) {
    states = new Map([...states, [file, stateOf(file)]]);
    try {
      states = (await once({ ...request, force: again }, options, run)).reads;
    } catch (error) {
      run.reporter.report((await failureOf(error, ['build'])).diagnostics);
    }
    if (run.exitCode === EXIT.interrupted) return;
    run.io.err('waiting for changes\n');
    await changed(states);
  }
}

async function once(request: BuildRequest, options: BuildOptions, run: Run): Promise<Built> {
  const { json, depfile } = options;
  let interrupt = (): void => process.exit(EXIT.interrupted);
  let asked = false;
  const onSignal = (): void => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    interrupt();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const built = await build(request, {
      started: (stop) => {
        interrupt = stop;
      },
      ended: (outcome) => {
        if (!json) tell(run, outcomeLine(outcome));
      },
      report: (diagnostics, exitCode) => {
        run.reporter.report(diagnostics);
        run.exitCode = Math.max(run.exitCode, exitCode);
      },
      line: (step, text) => run.io.err(`${visible(step.id)}: ${visible(text)}\n`),
    });
    if (json) run.io.out(buildJson(built));
    else tell(run, summary(built));
    const whole = built.outcomes.every(({ result }) => result !== 'failed' && result !== 'left out');
    if (whole && depfile !== undefined) writeDepfile(depfile, built);
    if (asked) run.exitCode = EXIT.interrupted;
    else if (!whole && run.exitCode === EXIT.ok) run.exitCode = EXIT.diagnostics;
    return built;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** The file of each folder that is named in a rule: a folder has the time of its last new name. */
const SIGNS = ['signature.json', 'adapter.safetensors', 'plan.txt'];

/**
 * Writes the rule. An output that is up to date and older than an input gets the time of now: Make would otherwise ask for it
 * each time.
 */
function writeDepfile(path: string, { outcomes, reads, folder }: Built): void {
  const outputs = outcomes.flatMap(({ step, files }) => {
    const { folder: made, ...single } = step.makes;
    if (made === undefined) return Object.values(single);
    const names = files.map((one) => one.path);
    return SIGNS.map((name) => `${made}/${name}`).filter((name) => names.includes(name));
  });
  const inputs = [...reads.keys()].filter((file) => existsSync(file));
  const newest = Math.max(...inputs.map((file) => statSync(file).mtimeMs));
  for (const output of outputs.map((name) => join(folder, name))) {
    const now = new Date();
    if (statSync(output).mtimeMs < newest) utimesSync(output, now, now);
  }
  const shown = (file: string) => shownPath(resolve(folder, file));
  const text = depfileText(outputs.map(shown), inputs.map(shown));
  if (isFolder(path)) throw usageError(`--depfile names a file, and ${path} is a folder`);
  writeAtomically([{ path, write: (sink) => sink.write(Buffer.from(text)) }]);
}
