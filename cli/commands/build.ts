import { type States, stateAt } from '../../src/build/file-state.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { BUILD } from '../../src/options/sets/build.js';
import { refuseUsage } from '../../src/options/usage.js';
import { build } from '../build/build.js';
import { eventsTo } from '../build/events.js';
import { findConfig } from '../build/find-config.js';
import { buildJson, summary } from '../build/report.js';
import type { BuildRequest, Built } from '../build/run.js';
import { EXIT, failureOf } from '../failure.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';

type BuildOptions = ValuesOf<typeof BUILD>;

/** Builds what the config says, once or whenever a file changes. */
export async function buildCommand(options: BuildOptions, run: Run): Promise<void> {
  const { watch, json, depfile, dryRun, config, cache, jobs, force, clobber } = options;
  if (watch && json) refuseUsage('--json is the result of one build: leave --watch out');
  if (dryRun && (watch || depfile !== undefined))
    refuseUsage(`--dry-run writes nothing: leave ${watch ? '--watch' : '--depfile'} out`);
  const request: BuildRequest = { config, cache, jobs, force, dryRun, clobber };
  if (!watch) {
    await once(request, options, run);
    return;
  }
  const { changed } = await import('../build/watch.js');
  // the config may be wrong, at first or later
  const file = findConfig(config);
  let states: States = new Map();
  for (let again = force; ; again = false) {
    states = new Map([...states, [file, stateAt(file)]]);
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
    const say = (line: string): void => {
      if (!json) tell(run, line);
    };
    const events = eventsTo(run, say, (stop) => {
      interrupt = stop;
    });
    const built = await build(request, events);
    if (json) run.io.out(buildJson(built));
    else tell(run, summary(built));
    const whole = built.outcomes.every(({ result }) => result !== 'failed' && result !== 'left out');
    if (whole && depfile !== undefined) {
      const { writeDepfile } = await import('../build/rule.js');
      writeDepfile(depfile, built);
    }
    if (asked) run.exitCode = EXIT.interrupted;
    else if (!whole && run.exitCode === EXIT.ok) run.exitCode = EXIT.diagnostics;
    return built;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
