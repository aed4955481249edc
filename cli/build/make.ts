import { readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BACK_ENDS } from '../../src/backends/backend.js';
import type { ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import type { GpuOptions } from '../../src/backends/option-set.js';
import { SECTIONS } from '../../src/build/config.js';
import { type BuildStep, makesFolder } from '../../src/build/steps.js';
import { type Made, type MadeFile, Store } from '../../src/build/store.js';
import { heldByOther } from '../../src/ir/codes/load.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { wholeDigest } from '../../src/ir/files/file-digest.js';
import { isFolder, makeFolders } from '../../src/ir/files/folders.js';
import { FileLock, isLockName } from '../../src/ir/files/lock.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { MERGE, REWRITE } from '../../src/options/sets/adapters.js';
import type { TRAIN } from '../../src/train/option-set.js';
import { writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { planReport } from '../report.js';
import { Reporter } from '../reporter.js';
import { count, num } from '../text.js';
import type { Reply, Task } from './task.js';

/** So long a step waits for another build that writes the same files. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 100;

/** Does a task in the folder of the config, which is the working folder. Throws what the command throws. */
export async function doTask({ step, key, cache, want }: Task, line: (text: string) => void): Promise<Reply> {
  const store = new Store(cache);
  const lines = {
    out: () => undefined,
    err: (text: string) => line(text.trimEnd()),
  };
  const run: Run = { io: lines, reporter: new Reporter(lines, 'json'), exitCode: 0 };
  if (want === 'plan') {
    const { rewritten } = await import('../commands/rewrite.js');
    const { plan } = rewritten(step.input!, { ...valuesOf<typeof REWRITE>(step), withoutData: true }, run);
    return { kind: 'planned', ...told(planReport(plan)) };
  }
  const found = () =>
    store.find(key, (path) => (statSync(path, { throwIfNoEntry: false }) ? wholeDigest(path) : null));
  const place = async (made: Made): Promise<Reply> => {
    await patient(() => store.place(made.files, (path) => path));
    return { kind: 'made', made, from: 'cache' };
  };
  if (want === 'place') {
    const made = found();
    if (made) return place(made);
  }
  // of builds that want the same one makes it, and the others find it in the cache
  const work = store.work(key);
  const lock = await lockOf(work, line);
  try {
    const made = want === 'make again' ? null : found();
    if (made) return await place(made);
    const result = await make(step, work, run);
    if (result === null) return { kind: 'failed', diagnostics: run.reporter.all, exitCode: run.exitCode };
    const folder = makesFolder(step);
    const files = result.files.map((path): MadeFile => {
      const shown = folder ? join(step.makes.folder!, relative(work, path)) : path;
      return { path: shown.split(sep).join('/'), ...store.add(path, folder ? 'move' : 'copy') };
    });
    const { about, counts } = result;
    const kept: Made = { version: 1, files, about, counts, diagnostics: run.reporter.all };
    if (folder) await patient(() => store.place(files, (path) => path));
    store.keep(key, kept);
    rmSync(work, { recursive: true, force: true });
    return { kind: 'made', made: kept, from: 'step' };
  } finally {
    lock.release();
  }
}

type Result = Pick<Made, 'about' | 'counts'> & { readonly files: readonly string[] };

/** Runs the command of a step; null where it ended without its result, and said why. */
async function make(step: BuildStep, work: string, run: Run): Promise<Result | null> {
  const { kind, takes, makes, given } = step;
  if (kind === 'rewrite') {
    const { rewritten } = await import('../commands/rewrite.js');
    const options = valuesOf<typeof REWRITE>(step);
    const { model, plan, adapter } = rewritten(step.input!, options, run);
    const { onnx, adapter: path } = makes;
    const files = writeArtifacts(
      {
        ...(onnx === undefined ? {} : { model: { model, path: onnx, weights: options.weights } }),
        ...(path === undefined ? {} : { adapter: { adapter, path } }),
        inputs: [step.input!],
      },
      run,
    );
    return { files: files.map((file) => file.path), ...told(planReport(plan)) };
  }
  if (kind === 'merge') {
    const { mergeCommand } = await import('../commands/merge.js');
    const options = { ...valuesOf<typeof MERGE>(step), adapter: takes.adapter, output: makes.onnx };
    const { layers, files } = mergeCommand(takes.model!, options, run);
    return { files: files.map((file) => file.path), about: count(layers, 'layer'), counts: null };
  }
  // a run that was interrupted goes on; other folders start empty
  const resume = kind === 'train' && isFolder(work);
  if (!resume) rmSync(work, { recursive: true, force: true });
  if (kind === 'training') {
    const { emitTrainCommand } = await import('../commands/emit-train.js');
    await emitTrainCommand(takes.model!, { ...valuesOf<typeof ONNX_TRAIN>(step), output: work }, run);
  } else if (kind === 'train') {
    const { trainCommand } = await import('../commands/train.js');
    const options = { ...valuesOf<typeof TRAIN>(step), output: work, resume };
    await trainCommand(takes.training!, options, new Set(given), run);
  } else {
    const { emitGpuCommand } = await import('../commands/emit-gpu.js');
    const backEnd = BACK_ENDS.find(({ name }) => name === kind)!;
    await emitGpuCommand(backEnd, takes.model!, { ...valuesOf<GpuOptions>(step), output: work }, run);
  }
  if (run.exitCode !== 0) return null;
  const files = readdirSync(work, { recursive: true, withFileTypes: true })
    // the lock of the run folder is released by a process of its own, which may still be about it
    .filter((entry) => entry.isFile() && !isLockName(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return { files, about: count(files.length, 'file'), counts: null };
}

function told({ layers, trainable }: { readonly layers: number; readonly trainable: number }) {
  return { about: `${count(layers, 'layer')}, ${num(trainable)} trainable`, counts: { layers, trainable } };
}

/** The options of a step as its command takes them: maps in place of objects, and what a build never asks for is off. */
function valuesOf<S>({ kind, options }: BuildStep): ValuesOf<S> {
  const off = {
    json: false,
    time: false,
    explain: false,
    inProcess: false,
    withoutData: false,
    link: false,
    copyBase: false,
    clobber: true,
  };
  const set = SECTIONS.get(kind)!;
  const values = Object.entries(options).map(([key, value]) => [
    key,
    set[key]!.type.schema.type === 'object' ? new Map(Object.entries(value as object)) : value,
  ]);
  return { ...off, ...Object.fromEntries(values) } as ValuesOf<S>;
}

/** The lock of a step, once no other build has it. */
async function lockOf(work: string, line: (text: string) => void): Promise<FileLock> {
  for (let told = false; ; ) {
    try {
      makeFolders(join(work, '..'));
      return FileLock.take(work);
    } catch (error) {
      if (!isHeld(error)) throw error;
      if (!told) line(`waiting: ${error.diagnostics[0]!.message}`);
      told = true;
      await wait(PAUSE_MS);
    }
  }
}

/** Does what another build may be in the way of, again until it is not. */
async function patient(act: () => void): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; ; await wait(PAUSE_MS)) {
    try {
      act();
      return;
    } catch (error) {
      if (!isHeld(error) || performance.now() > end) throw error;
    }
  }
}

const isHeld = (error: unknown): error is LotrcError =>
  error instanceof LotrcError && error.diagnostics[0]?.code === heldByOther.code;
