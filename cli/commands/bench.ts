import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { requiredInputs } from '../../src/backends/ort/inputs.js';
import type { BENCH } from '../../src/backends/ort/option-set.js';
import { compiledProgram } from '../../src/backends/ort/worker-process.js';
import { ortRefused } from '../../src/ir/codes/cli.js';
import { fail } from '../../src/ir/diagnostics.js';
import { filesOf } from '../../src/ir/files-of.js';
import type { Model } from '../../src/ir/model.js';
import type { ValuesOf } from '../../src/options/define.js';
import { refuseUsage } from '../../src/options/usage.js';
import { copyFiles, FORMS, type FormName, writeBase, writeForm } from '../bench/forms.js';
import type { ForwardRequest } from '../bench/forward.js';
import { benchPage } from '../bench/page.js';
import { type NodeTimes, ratioByNodes } from '../bench/profile.js';
import { type BenchRow, benchCells, headlines, rowsCsv } from '../bench/rows.js';
import { inTurns, type Steps } from '../bench/turns.js';
import { loadModel } from '../load.js';
import { filesText, refuseInputs, writeNoting } from '../outputs.js';
import type { Run } from '../program.js';
import { inScratch } from '../scratch.js';
import { textOutput } from '../study/study.js';
import { tell } from '../tell.js';
import { num, table } from '../text.js';

type BenchOptions = ValuesOf<typeof BENCH>;

/** Times a model in ONNX Runtime without an adapter, with adapters in each form, and merged. */
export async function benchCommand(path: string, options: BenchOptions, run: Run): Promise<void> {
  const { output, json } = options;
  const write = output === undefined ? null : WRITERS[extname(output).toLowerCase()];
  if (write === undefined) refuseUsage(`${output}: give a file that ends in .json, .csv or .html`);
  if (output !== undefined) refuseInputs([output], [path], options.clobber);
  const sizes = sizesOf(loadModel(path), options);
  const rows = await inScratch('lotrc-bench-', async (folder) =>
    rowsOf(copyFiles(path, folder), sizes, options, run),
  );
  if (write !== null) tell(run, filesText(writeNoting([textOutput(output!, write(rows))])));
  if (json) run.io.out(reportJson(rows));
  else
    run.io.out(
      `${table(benchCells(rows))}${headlines(rows)
        .map((line) => `${line}\n`)
        .join('')}`,
    );
}

const reportJson = (rows: readonly BenchRow[]): string =>
  `${JSON.stringify({ version: 1, headlines: headlines(rows), rows }, null, 2)}\n`;

const WRITERS: Readonly<Record<string, (rows: readonly BenchRow[]) => string>> = {
  '.json': reportJson,
  '.csv': rowsCsv,
  '.html': benchPage,
};

/** Extents of the inputs of one comparison; null: the model fixes them, or has none. */
interface Size {
  readonly batch: number | null;
  readonly seq: number | null;
  readonly dims: Readonly<Record<string, number>>;
}

/** Every batch with every length. The first dimension of inputs is the batch, the second the length, where they are symbols. */
function sizesOf(model: Model, { batch, seq, dims }: BenchOptions): readonly Size[] {
  const symbols = (axis: number): readonly string[] => {
    const found = requiredInputs(model).flatMap(({ type }) => {
      const dim = type?.kind === 'tensor' ? type.shape?.[axis] : undefined;
      return typeof dim === 'string' && !dims?.has(dim) ? [dim] : [];
    });
    return [...new Set(found)];
  };
  const along = (
    axis: number,
    option: string,
    given: readonly number[] | undefined,
    usual: readonly number[],
  ) => {
    const names = symbols(axis);
    if (names.length === 0 && given !== undefined)
      refuseUsage(
        `${option}: dimension ${axis} of the inputs has no name in this model, so its extent is fixed`,
      );
    return names.length === 0
      ? [{ extent: null, named: {} }]
      : (given ?? usual).map((extent) => ({
          extent,
          named: Object.fromEntries(names.map((name) => [name, extent])),
        }));
  };
  const batches = along(0, '--batch', batch, [1, 16]);
  return along(1, '--seq', seq, [128]).flatMap((length) =>
    batches.map((rows) => ({
      batch: rows.extent,
      seq: length.extent,
      dims: { ...Object.fromEntries(dims ?? []), ...length.named, ...rows.named },
    })),
  );
}

interface Candidate extends Pick<BenchRow, 'method' | 'rank' | 'form' | 'bytes'> {
  readonly file: string;
}

/** Of each rank the base twice, each method in each form, and the merged model, in turns; the files of a rank go before the next is made. */
function rowsOf(base: string, sizes: readonly Size[], options: BenchOptions, run: Run): readonly BenchRow[] {
  const silent: Run = { ...run, io: { out: () => undefined, err: () => undefined } };
  const layers = { targets: options.targets, exclude: options.exclude };
  const folder = dirname(base);
  const own = { file: writeBase(base), bytes: bytesOf(base), rank: 0, form: '' };
  const kept = new Set(readdirSync(folder));
  const rows: BenchRow[] = [];
  for (const rank of options.ranks) {
    const written = (method: string, form: FormName | null): Pick<Candidate, 'file' | 'bytes'> => {
      const file = writeForm(base, { method, rank, form }, layers, silent);
      return { file, bytes: bytesOf(file) };
    };
    const forms = Object.keys(FORMS) as readonly FormName[];
    const adapted = options.methods.flatMap((method) =>
      forms.map((form): Candidate => ({ method, rank, form, ...written(method, form) })),
    );
    const candidates: readonly Candidate[] = [
      { method: 'base', ...own },
      { method: 'base again', ...own },
      ...adapted,
      { method: 'merged', rank, form: 'merged', ...written(options.methods[0]!, null) },
    ];
    for (const size of sizes) {
      run.io.err(
        `rank ${rank}, ${JSON.stringify(size.dims)}: ${num(candidates.length * options.repeat)} processes\n`,
      );
      const how = { dims: size.dims, runs: options.runs, threads: options.threads, ep: options.ep };
      const timed = inTurns(
        candidates.map(({ method, form, file }) => ({
          who: `${method} ${form}`,
          measure: () => answerOf({ file, ...how }) as Steps,
        })),
        options.repeat,
      );
      const byNodes = ratiosByNodes(candidates, how);
      for (const [place, { who: _who, ...numbers }] of timed.entries()) {
        const { file, ...candidate } = candidates[place]!;
        const { batch, seq } = size;
        rows.push({ ...candidate, batch, seq, byNodes: byNodes.get(file) ?? null, ...numbers });
      }
    }
    for (const name of readdirSync(folder))
      if (!kept.has(name)) rmSync(join(folder, name), { recursive: true });
  }
  return rows.sort(
    (a, b) =>
      sizes.findIndex((s) => s.batch === a.batch && s.seq === a.seq) -
      sizes.findIndex((s) => s.batch === b.batch && s.seq === b.seq),
  );
}

const bytesOf = (file: string): number =>
  filesOf(loadModel(file)).reduce((sum, path) => sum + statSync(path).size, 0);

/** What the nodes of each file take over those of the first. On the CPU only: elsewhere a node ends before its work does. */
function ratiosByNodes(
  candidates: readonly Candidate[],
  how: Omit<ForwardRequest, 'file' | 'profile'>,
): ReadonlyMap<string, number | null> {
  if (how.ep !== 'cpu') return new Map();
  const files = [...new Set(candidates.map(({ file }) => file))];
  const times = files.map((file): NodeTimes => {
    const profile = `${file}.profile`;
    return new Map(answerOf({ ...how, file, profile }) as readonly (readonly [string, number])[]);
  });
  return new Map(files.map((file, n) => [file, ratioByNodes(times[0]!, times[n]!)]));
}

/** What a process of its own prints of a model. Throws LOTR8004. */
function answerOf(request: ForwardRequest): unknown {
  const { file } = request;
  const program = compiledProgram(import.meta.url, '../bench/forward.js');
  const done = spawnSync(process.execPath, [program, JSON.stringify(request)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const line = done.stdout?.trim().split('\n').at(-1) ?? '';
  if (done.status !== 0 || line === '')
    return fail(ortRefused({ file, doing: 'run', why: reasonOf(done.stderr ?? '', done.signal) }));
  return JSON.parse(line);
}

function reasonOf(err: string, signal: string | null): string {
  const said = err
    .split('\n')
    .find((text) => /error|LOTR\d{4}/i.test(text))
    ?.trim();
  return signal !== null ? `its process ended by signal ${signal}` : (said ?? 'its process said nothing');
}
