import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { timeProducts } from '../../src/backends/onnx-train/int8/time-products.js';
import { alternate, type BenchColumn, type Case } from '../alternate.js';
import { lotrc } from '../lotrc.js';
import { lastJsonOf } from '../measure.js';
import { processor } from './processor.js';
import { profileTable } from './profile.js';
import { BASE, writeRoberta } from './roberta.js';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    python: { type: 'string' },
    repeat: { type: 'string' },
    steps: { type: 'string' },
    batch: { type: 'string', default: '8' },
    seq: { type: 'string', default: '128' },
    layers: { type: 'string', default: String(BASE.layers) },
    threads: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    projected: { type: 'boolean', default: false },
  },
});
const { python, batch, seq, layers, threads, quick } = values;
const repeat = Number(values.repeat ?? (quick ? 2 : 3));
const steps = values.steps ?? (quick ? '2' : '5');
const root = resolve(import.meta.dirname, '../../..');
mkdirSync(values.dir, { recursive: true });
const folder = mkdtempSync(join(values.dir, 'lotrc-bench-train-'));
const all = join(folder, 'float32');
try {
  console.log(`${processor()}; ${threads} threads`);
  if (!values.projected) {
    const halfIsSlow = await productRates();
    alternate(encoder(!halfIsSlow), repeat);
    if (!quick) for (const item of [cores(), characters()]) alternate(item, repeat);
  }
  if (values.projected || !quick) for (const item of projected()) alternate(item, repeat);
  if (values.profile && !values.projected) {
    const extents = { batch: Number(batch), seq: Number(seq) };
    console.log(`\n${await profileTable(all, extents)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * GFLOP/s of a product that most of the step is, as each column computes it. True where PyTorch's bfloat16 reaches less than a tenth of its
 * float32: on processors without such units a step would take minutes.
 */
async function productRates(): Promise<boolean> {
  const shape = [768, 3072] as const;
  const rows = 1024;
  const rate = (seconds: number) => `${Math.round((2 * rows * shape[0] * shape[1]) / seconds / 1e9)}`;
  const ours = (large: boolean) => timeProducts(folder, shape, large, { rows, threads: Number(threads) });
  const [packed, plain] = [await ours(false), await ours(true)];
  console.log(`[${rows},${shape[0]}] x [${shape.join(',')}], GFLOP/s`);
  console.log(
    `  ONNX Runtime: float32 ${rate(plain.float32)} (packed in advance ${rate(packed.float32)}), int8 with its rounding ${rate(packed.int8)}`,
  );
  if (python === undefined) return false;
  const rates = lastJsonOf(peer('--products')) as Readonly<Record<string, number>>;
  const told = Object.entries(rates).map(([dtype, value]) => `${dtype} ${value}`);
  const halfIsSlow = rates.bfloat16! < rates.float32! / 10;
  console.log(`  PyTorch: ${told.join(', ')}${halfIsSlow ? '; no column in bfloat16' : ''}`);
  return halfIsSlow;
}

function encoder(withHalf: boolean): Case {
  const size = { ...BASE, layers: Number(layers) };
  const targets = ['--rank', '8', '--target', 'query', '--target', 'value', '--weights', 'link'];
  const rewritten = (name: string, bits: 4 | 32): string => {
    const path = join(folder, `${name}.onnx`);
    writeRoberta(path, size, bits);
    forgetPages(path);
    lotrc('rewrite', path, ...targets);
    return join(folder, `${name}.lotr.onnx`);
  };
  const base = rewritten('roberta', 32);
  lotrc('emit', 'onnx-train', base, '-o', all);
  lotrc('emit', 'onnx-train', base, '-o', join(folder, 'int8'), '--base-dtype', 'int8');
  if (!quick)
    lotrc('emit', 'onnx-train', base, '-o', join(folder, 'cores'), '--train', 'M', '--recompute', 'block');
  lotrc('emit', 'onnx-train', rewritten('roberta4', 4), '-o', join(folder, 'int4'));
  const shape = ['--layers', layers, '--batch', batch, '--seq', seq];
  return {
    name: `RoBERTa-base shapes, ${layers} layers, ${batch} x ${seq}, LoTR of rank 8 on query and value`,
    columns: [
      ...peerColumn('PyTorch float32', ...shape),
      ...(withHalf ? peerColumn('PyTorch bfloat16', ...shape, '--autocast') : []),
      ...(['float32', 'int8', 'int4'] as const).map((name) => ({
        who: `lotrc ${name}`,
        command: step(name, batch, seq, BASE.vocabulary, steps),
      })),
    ],
  };
}

/** After `encoder`. */
function cores(): Case {
  const shape = ['--layers', layers, '--batch', batch, '--seq', seq];
  return {
    name: 'the same, M alone, lotrc with --recompute block',
    columns: [
      ...peerColumn('PyTorch float32, R, L and M', ...shape),
      ...peerColumn('PyTorch float32, M alone', ...shape, '--cores'),
      { who: 'lotrc float32, M alone', command: step('cores', batch, seq, BASE.vocabulary, steps) },
    ],
  };
}

/** charlm with adapters on all its layers. */
function adaptedCharlm(method: string): string {
  const output = join(folder, `charlm.${method}.onnx`);
  const model = join(root, 'models/charlm/charlm.onnx');
  const names = ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj'];
  const targets = names.flatMap((name) => ['--target', name]);
  const start = ['--rank', '8', '--init', 'fan-in', '--scale', '8', '--weights', 'copy', '--method', method];
  lotrc('rewrite', model, ...start, ...targets, '-o', output);
  return output;
}

/** Optimizers with a projection next to AdamW on the factors. */
function projected(): readonly Case[] {
  return (['lotr', 'lora'] as const).map((method) => {
    const model = adaptedCharlm(method);
    const by = method === 'lotr' ? method : 'lowrank';
    const columns = ['adamw', `${by}-adamw`, `${by}-sgd`].map((optimizer) => {
      const into = `${method}-${optimizer}`;
      lotrc('emit', 'onnx-train', model, '-o', join(folder, into), '--optimizer', optimizer);
      return { who: optimizer, command: step(into, '16', '128', 96, steps) };
    });
    return { name: `charlm, 16 x 128 characters, ${method} of rank 8, by optimizer`, columns };
  });
}

function characters(): Case {
  const charlm = adaptedCharlm('lotr');
  for (const dtype of ['float32', 'int8']) {
    const into = join(folder, `charlm-${dtype}`);
    lotrc('emit', 'onnx-train', charlm, '-o', into, '--recompute', 'none', '--base-dtype', dtype);
  }
  return {
    name: 'charlm, 16 x 128 characters, --recompute none',
    columns: [
      ...peerColumn('PyTorch float32', '--model', 'charlm', '--batch', '16', '--steps', '30'),
      ...['float32', 'int8'].map((dtype) => ({
        who: `lotrc ${dtype}`,
        command: step(`charlm-${dtype}`, '16', '128', 96, '30'),
      })),
    ],
  };
}

function step(
  name: string,
  rows: string,
  length: string,
  vocabulary: number,
  count: string,
): readonly string[] {
  const program = join(import.meta.dirname, 'step.js');
  return [process.execPath, program, join(folder, name), count, rows, length, String(vocabulary), threads];
}

function peer(...args: readonly string[]): readonly string[] {
  const script = join(root, 'bench/train/torch_step.py');
  return [python ?? 'python3', script, '--threads', threads, '--steps', steps, ...args];
}

/** None without an interpreter that has PyTorch. */
function peerColumn(who: string, ...args: readonly string[]): readonly BenchColumn[] {
  return python === undefined ? [] : [{ who, command: peer(...args) }];
}

/**
 * Takes a file out of the page cache (Linux; elsewhere nothing happens). What was written a moment ago lies there in large
 * blocks, and a process that touches one row of an embedding counts the whole block as its own memory: about 90 MB here, that
 * no user sees who did not write the model just before.
 */
function forgetPages(file: string): void {
  spawnSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
}
