import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../measure.js';
import { profileTable } from './profile.js';
import { BASE, writeRoberta } from './roberta.js';

/** What one process prints. */
interface Steps {
  readonly step_s: number;
  readonly peak_mb?: number;
}
interface Case {
  readonly name: string;
  readonly ours: readonly string[];
  /** the same with `--base-dtype int8` */
  readonly int8: readonly string[] | null;
  /** none: lotrc alone */
  readonly peer: readonly string[] | null;
}

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    python: { type: 'string', default: 'python3' },
    peers: { type: 'string' },
    repeat: { type: 'string', default: '3' },
    steps: { type: 'string', default: '5' },
    profile: { type: 'boolean', default: false },
  },
});
const root = resolve(import.meta.dirname, '../../..');
const main = join(root, 'dist/cli/main.js');
mkdirSync(values.dir, { recursive: true });
const folder = mkdtempSync(join(values.dir, 'lotrc-bench-train-'));
try {
  const cases = prepare();
  for (const item of cases) report(item);
  if (values.profile) console.log(`\n${await profileTable(join(folder, 'all'), { batch: 8, seq: 128 })}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function prepare(): readonly Case[] {
  const roberta = join(folder, 'roberta.onnx');
  writeRoberta(roberta, BASE);
  forgetPages(roberta);
  lotrc('rewrite', roberta, '--rank', '8', '--target', 'query', '--target', 'value', '--weights', 'link');
  const rewritten = join(folder, 'roberta.lotr.onnx');
  lotrc('emit', 'onnx-train', rewritten, '-o', join(folder, 'all'));
  lotrc('emit', 'onnx-train', rewritten, '-o', join(folder, 'int8'), '--base-dtype', 'int8');
  lotrc('emit', 'onnx-train', rewritten, '-o', join(folder, 'cores'), '--train', 'M', '--recompute', 'block');
  const charlm = join(folder, 'charlm.lotr.onnx');
  lotrc(
    'rewrite',
    join(root, 'models/charlm/charlm.onnx'),
    '--rank',
    '8',
    '--init',
    'fan-in',
    '--scale',
    '8',
    ...['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj'].flatMap((name) => ['--target', name]),
    '--weights',
    'copy',
    '-o',
    charlm,
  );
  const whole = ['--recompute', 'none'];
  lotrc('emit', 'onnx-train', charlm, '-o', join(folder, 'charlm'), ...whole);
  lotrc('emit', 'onnx-train', charlm, '-o', join(folder, 'charlm8'), ...whole, '--base-dtype', 'int8');
  const step = (name: string, batch: number, vocabulary: number, steps: string) => [
    process.execPath,
    join(import.meta.dirname, 'step.js'),
    join(folder, name),
    steps,
    String(batch),
    '128',
    String(vocabulary),
  ];
  const peer = (script: string, ...args: readonly string[]) =>
    values.peers === undefined ? null : [values.python, join(values.peers, script), ...args];
  return [
    {
      name: 'RoBERTa-base, R, L and M',
      ours: step('all', 8, BASE.vocabulary, values.steps),
      int8: step('int8', 8, BASE.vocabulary, values.steps),
      peer: peer('bench_torch_step.py', '8', '8', '128', values.steps),
    },
    {
      name: 'RoBERTa-base, M alone, --recompute block (PyTorch: all)',
      ours: step('cores', 8, BASE.vocabulary, values.steps),
      int8: null,
      peer: peer('bench_torch_step.py', '8', '8', '128', values.steps),
    },
    {
      name: 'charlm, 16 x 128 characters, --recompute none',
      ours: step('charlm', 16, 96, '30'),
      int8: step('charlm8', 16, 96, '30'),
      peer: peer('bench_torch_charlm.py', 'lotr', '8', '1e-2', '30'),
    },
  ];
}

/**
 * Takes a file out of the page cache (Linux; elsewhere nothing happens). What was written a moment ago lies there in large
 * blocks, and a process that touches one row of an embedding counts the whole block as its own memory: about 90 MB here, that
 * no user sees who did not write the model just before.
 */
function forgetPages(file: string): void {
  spawnSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
}

/** Runs all in alternation and prints medians, and ratios of neighbouring runs to the first. */
function report({ name, ours, int8, peer }: Case): void {
  const columns = [
    { who: 'lotrc', command: ours },
    { who: 'int8', command: int8 },
    { who: 'PyTorch', command: peer },
  ].flatMap(({ who, command }) => (command ? [{ who, command, runs: [] as Steps[] }] : []));
  for (let i = 0; i < Number(values.repeat); i++)
    for (const { command, runs } of columns) runs.push(measureSteps(command));
  console.log(name);
  for (const { who, runs } of columns) {
    const step = median(runs.map((run) => run.step_s)).toFixed(3);
    console.log(`  ${who.padEnd(8)} ${step} s a step${peak(runs)}`);
  }
  const [first, ...others] = columns;
  for (const { who, runs } of others) {
    const ratio = (of: (run: Steps) => number) =>
      median(first!.runs.map((run, i) => of(run) / of(runs[i]!))).toFixed(2);
    const memory = runs[0]!.peak_mb === undefined ? '' : `, memory ${ratio((run) => run.peak_mb!)}`;
    console.log(`  lotrc / ${who}: time ${ratio((run) => run.step_s)}${memory}`);
  }
}

function peak(runs: readonly Steps[]): string {
  const peaks = runs.flatMap(({ peak_mb }) => (peak_mb === undefined ? [] : [peak_mb]));
  return peaks.length > 0 ? `, peak ${Math.max(...peaks)} MB` : '';
}

function measureSteps([program, ...args]: readonly string[]): Steps {
  const done = spawnSync(program!, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${done.stderr.slice(-2000)}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Steps;
}

function lotrc(...args: readonly string[]): void {
  const done = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`lotrc ${args.join(' ')} failed:\n${done.stderr}`);
}
