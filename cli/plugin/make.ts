import { constants, copyFileSync, existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FileTable } from '../../src/build/file-table.js';
import { stepsOf } from '../../src/build/steps.js';
import type { MadeFile } from '../../src/build/store.js';
import { cannotWrite } from '../../src/ir/codes/load.js';
import { type Diagnostic, fail, LotrcError } from '../../src/ir/diagnostics.js';
import { makeFolders } from '../../src/ir/files/folders.js';
import { isSystemError } from '../../src/ir/files/system-error.js';
import { temporaryName } from '../../src/ir/files/temporary.js';
import { buildSteps } from '../build/run.js';
import { digestOf, type ModelImport } from './request.js';
import { refuseTooLarge } from './too-large.js';

/** What an import gives: files whose folders are called after their bytes, so that other bytes are another path. */
export interface ImportedFiles {
  readonly model: string;
  readonly adapter: string;
  /** files that were read, absolute; also those that were looked for and are not there */
  readonly reads: readonly string[];
  readonly warnings: readonly Diagnostic[];
}

/** Makes the files of an import, or takes them from the cache. Throws what is wrong with the model or the options. */
export async function makeImport(asked: ModelImport): Promise<ImportedFiles> {
  const { request, importer, folder, cache, input, name, options } = asked;
  refuseTooLarge(join(folder, input), request);
  const output = join(cache, 'imports', digestOf([input, options]));
  const rewrite = { ...options, weights: 'inline' as const };
  const config = { output, models: { [name]: { input, rewrite } } };
  const steps = stepsOf(config, folder, importer).map((step) => ({ ...step, at: request }));
  const said: Diagnostic[] = [];
  const reads = new Map<string, string>();
  const outcomes = await buildSteps(
    { steps, folder, cache, table: new FileTable(cache), name: output, shown: importer, reads },
    { jobs: 1, force: false, dryRun: false, clobber: true },
    {
      started: () => undefined,
      ended: () => undefined,
      report: (diagnostics) => void said.push(...diagnostics),
      line: () => undefined,
    },
  );
  if (outcomes.some(({ result }) => result === 'failed')) throw new LotrcError(said);
  const [{ step, files }] = outcomes as [(typeof outcomes)[number]];
  const asset = (path: string | undefined) => {
    const made = files.find((one) => one.path === path)!;
    return assetOf(join(folder, made.path), made, cache);
  };
  return {
    model: asset(step.makes.onnx),
    adapter: asset(step.makes.adapter),
    reads: [...reads.keys()],
    warnings: said.filter(({ severity }) => severity === 'warning'),
  };
}

/** A file under a path that its bytes name. It shares the bytes of the output where the file system can. */
function assetOf(made: string, { digest }: MadeFile, cache: string): string {
  const place = join(cache, 'assets', digest.replace(/^sha256:/, '').slice(0, 16), basename(made));
  if (existsSync(place)) return place;
  makeFolders(dirname(place));
  const staged = temporaryName(place);
  try {
    try {
      linkSync(made, staged);
    } catch {
      copyFileSync(made, staged, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    }
    renameSync(staged, place);
    return place;
  } catch (error) {
    rmSync(staged, { force: true });
    if (isSystemError(error)) fail(cannotWrite({ file: place, why: error.message }));
    throw error;
  }
}
