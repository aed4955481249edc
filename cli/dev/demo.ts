import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { compareModels, type OutputDifference } from '../../src/backends/ort/compare.js';
import type { HostTensor } from '../../src/backends/ort/messages.js';
import { OrtProcess } from '../../src/backends/ort/process.js';
import { NormalTensor } from '../../src/init/normal.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { i64Tensor, MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { processIo } from '../io.js';
import { main } from '../program.js';

/** `npm run demo`: the main job on a real model that is in the repository. */

const MODEL = resolve(import.meta.dirname, '../../../models/charlm/charlm.onnx');
const VOCABULARY = resolve(import.meta.dirname, '../../../models/charlm/vocab.json');
const PROMPT = 'The Congress of the United States has ';
const NEW_CHARACTERS = 24;

const { chars } = JSON.parse(readFileSync(VOCABULARY, 'utf8')) as { chars: string };
const folder = mkdtempSync(join(tmpdir(), 'lotrc-demo-'));
const file = (name: string) => join(folder, name);
const host = new OrtProcess();

try {
  heading('1. A trained character model, 6 layers wide 128, as PyTorch exported it. Its linear layers:');
  await run('inspect', MODEL);

  heading('2. Adapters of rank 8 beside the attention and MLP layers, outer factors shared over the layers:');
  await run(
    'rewrite',
    MODEL,
    '--rank',
    '8',
    '--init',
    'fan-in',
    '--scale',
    '8',
    '-o',
    file('charlm.lotr.onnx'),
  );

  heading(
    '3. Base and rewritten model in ONNX Runtime, on the same text. The cores M are zero, so nothing changed:',
  );
  const base = await compared('base, rewritten', MODEL, file('charlm.lotr.onnx'));
  check(
    base.every(({ absolute }) => absolute === 0),
    'the rewritten model equals the base, bit for bit',
  );
  say(`   base continues:      ${await continued(MODEL)}`);
  say(`   rewritten continues: ${await continued(file('charlm.lotr.onnx'))}`);

  heading(
    '4. The cores set to seeded random numbers, where training would put learned ones (so it gets worse, not better):',
  );
  disturb(file('charlm.lotr.safetensors'), file('random.safetensors'));
  await run('apply', MODEL, file('random.safetensors'), '-o', file('charlm.random.onnx'), '--json');
  const changed = await compared('base, adapted', MODEL, file('charlm.random.onnx'));
  check(
    changed.some(({ relative }) => relative > 0.01),
    'the adapters reach the output',
  );
  say(`   adapted continues:   ${await continued(file('charlm.random.onnx'))}`);

  heading(
    '5. The adapters folded into the weights: a plain model again, with the same output up to rounding:',
  );
  await run('merge', file('charlm.random.onnx'), '-o', file('charlm.merged.onnx'));
  const merged = await compared('adapted, merged', file('charlm.random.onnx'), file('charlm.merged.onnx'));
  check(
    merged.every(({ relative }) => relative < 1e-5),
    'the merged model equals the adapted one within 1e-5',
  );
  say(`   merged continues:    ${await continued(file('charlm.merged.onnx'))}`);
  say(`\nThe files are in ${folder}`);
} finally {
  host.close();
}

function say(line: string): void {
  processIo.out(`${line}\n`);
}

function heading(line: string): void {
  say(`\n${line}\n`);
}

function check(held: boolean, what: string): void {
  say(`   ${held ? 'ok' : 'FAILED'}: ${what}`);
  if (!held) process.exitCode = 1;
}

/** Runs a command as the command line would, and shows it. */
async function run(...argv: readonly string[]): Promise<void> {
  const quiet = argv.includes('--json');
  say(
    `$ lotrc ${argv
      .filter((word) => word !== '--json')
      .map((word) => word.replace(`${folder}/`, '').replace(MODEL, 'charlm.onnx'))
      .join(' ')}`,
  );
  const io = { out: quiet ? () => {} : processIo.out, err: processIo.err };
  const code = await main(argv, io);
  if (code !== 0) throw new Error(`lotrc ${argv[0]} ended with exit code ${code}`);
}

async function compared(what: string, a: string, b: string): Promise<readonly OutputDifference[]> {
  const ids = new Map<string, TensorData>([['input_ids', i64Tensor([1, PROMPT.length], idsOf(PROMPT))]]);
  const result = await compareModels(
    { path: a, model: readModel(a) },
    { path: b, model: readModel(b) },
    { inputs: ids, host },
  );
  for (const { name, absolute, relative } of result) {
    say(
      `   ${what}: largest difference of "${name}" ${absolute.toExponential(2)} (relative ${relative.toExponential(2)})`,
    );
  }
  return result;
}

function idsOf(text: string): number[] {
  return [...text].map((char) => chars.indexOf(char));
}

/** The most likely continuation of the prompt, character by character. */
async function continued(path: string): Promise<string> {
  let text = PROMPT;
  for (let i = 0; i < NEW_CHARACTERS; i++) {
    const { logits } = await host.run(path, { input_ids: hosted(i64Tensor([1, text.length], idsOf(text))) });
    const values = toF32(new MemoryTensor(logits!.dtype, logits!.shape, logits!.data as Uint8Array)).subarray(
      -chars.length,
    );
    text += chars[values.indexOf(Math.max(...values))]!;
  }
  return JSON.stringify(text.slice(PROMPT.length));
}

function hosted(data: TensorData): HostTensor {
  return { dtype: data.dtype, shape: data.shape, data: data.bytes() };
}

/** A copy of an adapter file whose cores are drawn from N(0, 0.3^2). */
function disturb(from: string, to: string): void {
  const { tensors, metadata } = readSafetensors(from);
  const changed = [...tensors].map(([name, data]): [string, TensorData] =>
    name.endsWith('/M') ? [name, new NormalTensor('f32', data.shape, 0.3, 1, name, 'demo')] : [name, data],
  );
  writeSafetensors(to, new Map(changed), metadata);
}
