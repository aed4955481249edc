import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Grid, type GridValues, readGrid } from '../../src/build/study/grid.js';
import { type RunRecord, recordSchema, rowOf } from '../../src/build/study/record.js';
import { badGrid, noStudy, studyDiffers } from '../../src/ir/codes/study.js';
import { fail } from '../../src/ir/diagnostics.js';
import { type Output, writeAtomically } from '../../src/ir/files/atomic.js';
import { wholeDigest } from '../../src/ir/files/file-digest.js';
import { isFolder, makeFolders } from '../../src/ir/files/folders.js';
import { readJsonFile } from '../../src/ir/files/json-file.js';
import { isSystemError } from '../../src/ir/files/system-error.js';
import { rowsParquet } from '../../src/train/logs/parquet.js';
import { loadModel } from '../load.js';
import { modelDigest } from '../numbers.js';

/** Options whose values are files that a run reads. */
const FILES = ['data', 'evalData', 'tokenizer', 'adapter', 'method'];

/** The folder of a study: study.json, a file for each run in `runs`, and runs.parquet with all rows. */
export class Study {
  readonly grid: Grid;
  /** of the grid's file: paths in it begin there */
  readonly base: string;

  private constructor(
    readonly folder: string,
    file: string,
  ) {
    this.base = dirname(resolve(file));
    this.grid = readGrid(file);
  }

  /** Begins a study, or goes on with it. Throws LOTR8340, LOTR8341, and what reading the model throws. */
  static open(file: string, folder: string, resume: boolean): Study {
    const study = new Study(resolve(folder), file);
    const now = study.#identity(file);
    const path = join(study.folder, 'study.json');
    if (existsSync(path)) {
      if (!resume || readFileSync(path, 'utf8') !== now) fail(studyDiffers({ folder, resumed: resume }));
    }
    makeFolders(join(study.folder, 'runs'));
    if (!existsSync(path)) writeAtomically([textOutput(path, now)]);
    return study;
  }

  /** The record of a run that ended; null while there is none. */
  record(id: string): RunRecord | null {
    const path = this.#path(id);
    return existsSync(path) ? readRecord(path) : null;
  }

  keep(record: RunRecord): void {
    writeAtomically([textOutput(this.#path(record.id), `${JSON.stringify(record, null, 2)}\n`)]);
  }

  /** Writes all rows, in the order of the runs. */
  writeRows(records: readonly RunRecord[]): string {
    const path = join(this.folder, 'runs.parquet');
    writeAtomically([rowsParquet(path, records.map(rowOf))]);
    return path;
  }

  /** An empty folder for the files of a run. */
  work(id: string): string {
    const folder = join(this.folder, 'work', id);
    rmSync(folder, { recursive: true, force: true });
    makeFolders(dirname(folder));
    return folder;
  }

  /** Removes what runs leave while they work. */
  sweep(): void {
    rmSync(join(this.folder, 'work'), { recursive: true, force: true });
  }

  #path(id: string): string {
    return join(this.folder, 'runs', `${id}.json`);
  }

  /** The grid, and the contents of the files that it names. */
  #identity(file: string): string {
    const { model, options = {}, points = [], grid, tasks = {} } = this.grid;
    // a method that lotrc comes with has a name and not a file
    const isFile = (key: string, value: unknown): value is string =>
      typeof value === 'string' && (key !== 'method' || value.endsWith('.json'));
    const named = (values: GridValues): readonly string[] =>
      FILES.flatMap((key) => (isFile(key, values[key]) ? [values[key]] : []));
    const tried = FILES.flatMap((key) => (grid[key] ?? []).filter((value) => isFile(key, value)));
    const paths = [...[options, ...points, ...Object.values(tasks)].flatMap(named), ...tried];
    const digests = [...new Set(paths.map(String))].map((path) => {
      try {
        return [path, wholeDigest(resolve(this.base, path))];
      } catch (error) {
        if (!isSystemError(error)) throw error;
        return fail(badGrid({ file, why: `${path} cannot be read: ${error.message}` }));
      }
    });
    const found = {
      version: 1,
      model: modelDigest(loadModel(resolve(this.base, model))),
      files: Object.fromEntries(digests),
      grid: this.grid,
    };
    return `${JSON.stringify(found, null, 2)}\n`;
  }
}

/** The records of a study, by their ids. Throws LOTR8343. */
export function readStudy(folder: string): readonly RunRecord[] {
  const runs = join(folder, 'runs');
  const names = isFolder(runs) ? readdirSync(runs).filter((name) => name.endsWith('.json')) : [];
  if (names.length === 0) fail(noStudy({ folder, why: 'it has no runs' }));
  return names.sort().map((name) => readRecord(join(runs, name)));
}

function readRecord(path: string): RunRecord {
  return readJsonFile(path, recordSchema, (why) => fail(noStudy({ folder: path, why })));
}

export function textOutput(path: string, text: string): Output {
  const bytes = Buffer.from(text);
  return { path, write: (sink) => sink.write(bytes) };
}
