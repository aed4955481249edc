import { basename, join, resolve } from 'node:path';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { CHECK } from '../../src/options/sets/build.js';
import { build } from '../build/build.js';
import { eventsTo } from '../build/events.js';
import { shownPath } from '../build/find-config.js';
import { checkModel, checkText, type Finding, textOfFiles } from '../build/golden.js';
import type { Built } from '../build/run.js';
import { EXIT } from '../failure.js';
import { refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { count } from '../text.js';

/** Builds what the config says, and compares it with golden files; with `--update` writes these. */
export async function checkCommand(options: ValuesOf<typeof CHECK>, run: Run): Promise<void> {
  const { update, config, cache, jobs, clobber } = options;
  const built = await build(
    { config, cache, jobs, force: false, dryRun: false, clobber },
    eventsTo(run, (line) => run.io.err(line)),
  );
  if (run.exitCode !== EXIT.ok) return;
  const { findings, files } = await findingsOf(built);
  if (!update) {
    for (const { diagnostic, shown } of findings) {
      run.reporter.report(diagnostic);
      run.io.out(shown);
    }
    if (findings.length === 0) run.io.out(`${count(files, 'golden file')} as expected\n`);
    return;
  }
  refuseInputs(
    findings.map(({ output }) => output.path),
    [],
    clobber,
  );
  writeAtomically(findings.map(({ output }) => output));
  for (const { output } of findings) run.io.out(`wrote ${shownPath(resolve(output.path))}\n`);
  if (findings.length === 0) run.io.out(`${count(files, 'golden file')} as expected: nothing was written\n`);
}

/** Golden files that are missing or differ. What a trained adapter is part of depends on the machine, and has none. */
async function findingsOf(
  built: Built,
): Promise<{ readonly findings: readonly Finding[]; readonly files: number }> {
  const found: (Finding | null)[] = [];
  for (const outcome of built.outcomes) {
    const { kind, makes, takes } = outcome.step;
    const path = makes.onnx ?? makes.folder ?? makes.adapter!;
    if (kind === 'train' || (kind === 'merge' && takes.adapter !== undefined)) continue;
    if (makes.onnx !== undefined) {
      found.push(...(await checkModel(join(built.folder, path), built.golden, true)));
      continue;
    }
    const text = join(built.golden, `${basename(path)}.txt`);
    found.push(checkText(text, shownPath(text), textOfFiles(outcome)));
  }
  return { findings: found.filter((one) => one !== null), files: found.length };
}
