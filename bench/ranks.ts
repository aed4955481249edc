import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { inTurns, median } from '../cli/bench/turns.js';
import { readLogs } from '../src/train/logs/find.js';
import { LOTRC, lotrc } from './lotrc.js';
import { alignedTable, secondsText } from './table.js';
import { processor } from './train/processor.js';

/**
 * `npm run bench:ranks`: steps of `lotrc train --distributed mpi` with 1, 2, ... ranks, each on a core of its own: seconds and bytes that a rank
 * sends. A step has the same examples whatever the number of ranks. The least that is possible is the time of one rank over their number.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    ranks: { type: 'string' },
    repeat: { type: 'string', default: '3' },
    steps: { type: 'string', default: '12' },
    batch: { type: 'string', default: '16' },
    length: { type: 'string', default: '128' },
    rank: { type: 'string', default: '8' },
  },
});
/** steps at the start that are not counted */
const WARM = 2;
const cores = availableParallelism();
const tried =
  values.ranks?.split(',').map(Number) ?? [1, 2, 4, 8, 16, 32, 64].filter((count) => count <= cores);
if (!tried.every((count) => Number.isInteger(count) && count > 0 && count <= cores))
  throw new Error(`--ranks takes numbers up to the ${cores} cores of this machine`);

const CHARLM = resolve(import.meta.dirname, '../../models/charlm');
const { stdout: version, error: missing } = spawnSync('mpirun', ['--version'], { encoding: 'utf8' });
if (missing) throw new Error('there is no mpirun (Debian: openmpi-bin or mpich)');
const open = /Open MPI/.test(version);
const environment = {
  ...process.env,
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
};

mkdirSync(values.dir, { recursive: true });
const folder = mkdtempSync(join(values.dir, 'lotrc-bench-ranks-'));
try {
  const [model, graphs] = [join(folder, 'charlm.lotr.onnx'), join(folder, 'train')];
  const layers = [
    '--target',
    'all-linear',
    '--rank',
    values.rank,
    '--init',
    'fan-in',
    '--scale',
    values.rank,
  ];
  lotrc('rewrite', join(CHARLM, 'charlm.onnx'), ...layers, '-o', model);
  lotrc('emit', 'onnx-train', model, '-o', graphs);
  console.log(`${processor()}; a step is ${values.batch} x ${values.length} tokens`);
  const sent = new Map<number, string>();
  const timed = inTurns(
    tried.map((ranks) => ({
      who: `${ranks}`,
      measure: () => {
        const { seconds, bytes } = timeSteps(graphs, ranks);
        sent.set(ranks, bytes);
        return { step_s: seconds };
      },
    })),
    Number(values.repeat),
  );
  const body = timed.map(({ who, median: middle, least, most, ratio }) => [
    who,
    ...[middle, least, most].map(secondsText),
    ratio.toFixed(2),
    (1 / Number(who)).toFixed(2),
    sent.get(Number(who))!,
  ]);
  const head = ['ranks', 'a step', 'from', 'to', `of ${tried[0]}`, 'at best', 'bytes that a rank sends'];
  console.log(alignedTable([head, ...body]));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A run with so many ranks, from its log: the median of the steps after the first ones. */
function timeSteps(graphs: string, ranks: number): { readonly seconds: number; readonly bytes: string } {
  const output = join(folder, 'run');
  rmSync(output, { recursive: true, force: true });
  const data = ['--data', join(CHARLM, 'moby-dick.train.txt'), '--tokenizer', join(CHARLM, 'vocab.json')];
  const sizes = ['--batch-size', values.batch, '--max-length', values.length, '--max-steps', values.steps];
  const command = ['train', graphs, ...data, ...sizes, '-o', output, '--distributed', 'mpi'];
  // each rank is a program of its own for mpirun, so that each has its core
  const words = Array.from({ length: ranks }, (_, core) => [
    ...(core === 0 ? [] : [':']),
    ...['-n', '1', 'taskset', '-c', `${core}`, process.execPath, LOTRC, ...command],
  ]).flat();
  const { status, stdout, stderr } = spawnSync(
    'mpirun',
    [...(open ? ['--oversubscribe', '--bind-to', 'none'] : []), ...words],
    { encoding: 'utf8', env: environment },
  );
  if (status !== 0) throw new Error(`mpirun of ${ranks} failed:\n${stdout}${stderr}`);
  const { logs } = readLogs([output]);
  const at = logs[0]!.rows.filter(({ split }) => split === 'train').map(({ wallTime }) => wallTime);
  const times = at.slice(1 + WARM).map((time, i) => time - at[i + WARM]!);
  const [, bytes = '0'] = /each sends ([\d,]+) bytes/.exec(stdout + stderr) ?? [];
  return { seconds: median(times), bytes };
}
