import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, type TensorData } from '../../src/ir/tensor.js';
import { rewrite } from '../../src/rewrite.js';
import { readPosition } from '../../src/train/checkpoint.js';
import { TrainingRun } from '../../src/train/run.js';
import { TensorRow } from '../../src/train/runner/tensor-row.js';
import type { Batch } from '../../src/train/training-steps.js';
import { records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { command, lotrc } from '../support/cli.js';
import { noise } from '../support/ort.js';
import { childOf, commandOf, pause, until } from '../support/processes.js';
import { writeJsonl } from '../support/reading.js';
import { stackBatches } from '../support/stack-batches.js';

// Graphs in a process of their own, and in this one.

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const root = mkdtempSync(join(tmpdir(), 'lotrc-runner-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let net: TextClassifier;
let words: readonly string[];

beforeAll(async () => {
  net = await textClassifier(join(root, 'net'));
  const data = writeJsonl(join(root, 'data.jsonl'), records(60, ['a', 'b', 'c']));
  words = ['train', net.train, '--data', data, '--tokenizer', net.tokenizer, '--eval-split', '0.2'];
  words = [...words, '--batch-size', '8', '--lr', '0.03', '--threads', '1'];
});

const FILES = ['run.json', 'checkpoint.safetensors', 'best.safetensors', 'adapter.safetensors'];
function sameFiles(a: string, b: string, names = FILES): void {
  for (const name of names)
    expect(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name).toBe(true);
}

type Tensors = ReadonlyMap<string, TensorData>;
function sameTensors(found: Tensors, wanted: Tensors): void {
  expect([...found.keys()]).toEqual([...wanted.keys()]);
  for (const [name, tensor] of wanted) {
    expect(found.get(name)!.shape, name).toEqual(tensor.shape);
    expect(Buffer.compare(found.get(name)!.bytes(), tensor.bytes()), name).toBe(0);
  }
}

/** A net whose trained weights travel in several pieces. */
function wideNet(): string {
  const folder = mkdtempSync(join(root, 'wide-'));
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['batch', 7]));
  const weight = (name: string, rows: number, columns: number, seed: number) =>
    graph.addInitializer(name, f32Tensor([rows, columns], noise(rows * columns, seed)));
  const product = (name: string, input: typeof x, w: typeof x) =>
    graph.append({ op: 'MatMul', inputs: [input, w], outputs: [name], name: `/${name}/MatMul` }).outputs[0]!;
  const hidden = product('hidden', x, weight('w', 7, 75_001, 3));
  const y = product('y', hidden, weight('head', 75_001, 5, 4));
  y.setType(tensorType('f32', ['batch', 5]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  rewrite(model, { rank: 2, targets: ['hidden'] });
  const path = join(folder, 'model.onnx');
  writeModel(model, path);
  const options = { ...TRAIN_DEFAULTS, alsoTrain: ['^w$'], loop: 2, ignoreIndex: -100 };
  emitTraining({ open: () => readModel(path), folder, options });
  return folder;
}

describe('the bits of both are the same:', () => {
  test('steps, steps over several batches, steps in one run, evaluations, and what is saved', async () => {
    const folder = wideNet();
    const batch = (rows: number, seed: number): Batch => ({
      inputs: { x: { type: 'float32', dims: [rows, 7], data: noise(rows * 7, seed) } },
      labels: { type: 'int32', dims: [rows], data: Int32Array.from({ length: rows }, (_, i) => (i * 3) % 5) },
    });
    const found = [];
    for (const inProcess of [true, false]) {
      const run = TrainingRun.open(folder, { inProcess, threads: 1 });
      const initial = await run.save();
      expect(initial.size).toBeGreaterThan(5);
      const results: unknown[] = [await run.evaluate(batch(3, 1))];
      results.push(await run.step(batch(3, 1), 1e-3));
      results.push(await run.accumulate([batch(2, 2), batch(5, 3)], 1e-3));
      results.push(await run.stepLoop(stackBatches([batch(3, 4), batch(3, 5)]), [1e-3, 2e-3]));
      const saved = await run.save();
      run.load(initial);
      results.push(await run.evaluate(batch(3, 1)));
      results.push(await run.evaluateTerms(batch(3, 1), () => false));
      const parameters = await run.parameters();
      run.load(saved);
      found.push({ results, saved, again: await run.save(), parameters, t: run.t });
      await run.close();
    }
    const [here, there] = found as [(typeof found)[0], (typeof found)[0]];
    expect(here.results[4]).toEqual(here.results[0]);
    expect(here.results[5]).toEqual([{ ...(here.results[0] as object), logits: null }]);
    expect(there.results).toEqual(here.results);
    expect(there.t).toBe(4);
    sameTensors(there.saved, here.saved);
    sameTensors(there.parameters, here.parameters);
    sameTensors(here.again, here.saved);
    sameTensors(there.again, here.saved);
  });
  test.each([
    ['one batch a step', ['--schedule', 'cosine', '--warmup', '0.1', '--best', 'accuracy']],
    ['three batches a step', ['--accumulate', '3', '--eval-every', '4', '--patience', '3']],
  ])('files and output of lotrc train and lotrc eval, %s', async (_name, more) => {
    const [here, there] = [0, 1].map(() => mkdtempSync(join(root, 'run-'))) as [string, string];
    const [one, other] = [
      await lotrc(...words, ...more, '-o', here),
      await command([...words, ...more, '-o', there]),
    ];
    expect(one.err).not.toMatch(/error/);
    const timeless = (text: string) => text.replaceAll(/^step \d+\/.*$/gm, '');
    expect(timeless(other.err)).toBe(timeless(one.err));
    expect(other.code).toBe(0);
    sameFiles(here, there);
    const evaluation = ['eval', net.train, '--run', here, '--data', join(root, 'data.jsonl'), '--json'];
    expect((await command(evaluation)).out).toBe((await lotrc(...evaluation)).out);
  });
  test('a row of tensors is read and written in pieces of any size', () => {
    const sizes = [3, 1, 0, 4, 2];
    const tensors = sizes.map((size, k) => [`t${k}`, { dims: [size], data: noise(size, k + 1) }] as const);
    const row = new TensorRow(new Map(tensors));
    expect(row.size).toBe(10);
    for (let piece = 1; piece <= 11; piece++) {
      const copy = TensorRow.zeros(row.shapes);
      for (let start = 0; start < row.size; start += piece)
        copy.write(start, row.read(start, Math.min(row.size, start + piece)));
      expect(copy.tensors).toEqual(row.tensors);
    }
  });
});

test('what a graph is refused for is said in the same words', async () => {
  const folder = mkdtempSync(join(root, 'odd-'));
  const { train } = await textClassifier(folder);
  const step = readFileSync(join(train, 'eval.onnx'));
  const data = join(root, 'data.jsonl');
  const lines = ['train', train, '--data', data, '--tokenizer', net.tokenizer, '--max-steps', '2'];
  for (const bytes of [step, Buffer.from('no graph')]) {
    writeFileSync(join(train, 'step.onnx'), bytes);
    const [here, there] = [
      await lotrc(...lines, '-o', join(folder, 'here')),
      await command([...lines, '-o', join(folder, 'here')]),
    ];
    expect(here.err).toMatch(/error LOTR8(201|110)/);
    expect(there).toEqual(here);
  }
});

/** A run of the command in a process group of its own, as a terminal starts it. */
function started(...argv: readonly string[]) {
  const parent = spawn(process.execPath, [MAIN, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: { ...process.env, LOTRC_TEST_SECRET: 'x', ORT_TEST_SETTING: '7' },
  });
  let err = '';
  parent.stderr.on('data', (text: Buffer) => {
    err += text;
  });
  const ended = new Promise<{ code: number | null; signal: string | null; err: string }>((settle) => {
    parent.on('close', (code, signal) => settle({ code, signal, err }));
  });
  return { pid: parent.pid!, ended };
}

// processes are looked up in /proc
test.runIf(process.platform === 'linux')(
  'a run whose process of ONNX Runtime dies, that is interrupted and that is killed goes on with the bits of one that was not disturbed',
  async () => {
    const output = join(root, 'disturbed');
    const plan = [...words, '--schedule', 'constant', '--eval-every', '50'];
    const long = [...plan, '--checkpoint-every', '3'];
    const go = () => started(...long, '-o', output, '--epochs', '1000000', '--resume');
    /** The process of ONNX Runtime, once the run has gone beyond a step. */
    const working = async (pid: number, beyond: number) => {
      await until(() => ((readPosition(output)?.step ?? 0) > beyond ? true : null));
      return childOf(pid, 'runner/child.js')!;
    };
    let reached = 0;
    const first = go();
    const crashing = await working(first.pid, reached);
    // what it does not need: variables that may hold secrets, the folder, input
    const variables = readFileSync(`/proc/${crashing}/environ`, 'utf8').split('\0');
    expect(variables.includes('LOTRC_TEST_SECRET=x')).toBe(false);
    expect(variables.includes('ORT_TEST_SETTING=7')).toBe(true);
    expect(readlinkSync(`/proc/${crashing}/cwd`)).toBe('/');
    expect(readlinkSync(`/proc/${crashing}/fd/0`)).toBe('/dev/null');
    process.kill(crashing, 'SIGSEGV');
    const { code: failed, err: told } = await first.ended;
    expect(told).toMatch(/error LOTR8112: .* ended by signal SIGSEGV after step \d+ of \d+\n/);
    reached = readPosition(output)!.step;
    expect(told).toContain(`note: the last checkpoint is of step ${reached}\n`);
    expect(told).toContain('hint: resume it with --resume\n');
    expect(failed).toBe(1);
    // Ctrl-C and the end of a service reach all processes of the group
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const { pid, ended } = go();
      const child = await working(pid, reached);
      expect(commandOf(child)).toContain('runner/child.js');
      process.kill(-pid, signal);
      const { code, err } = await ended;
      if (signal !== 'SIGKILL') {
        expect(err).toMatch(/warning LOTR8215: interrupted after step/);
        expect(code).toBe(130);
      }
      await until(() => (commandOf(child) === null ? true : null));
      reached = readPosition(output)!.step;
    }
    const whole = join(root, 'undisturbed');
    const last = ['--epochs', '1000000', '--max-steps', `${reached + 7}`];
    expect((await lotrc(...long, ...last, '-o', output, '--resume')).code).toBe(0);
    // checkpoints change no bits
    expect((await lotrc(...plan, ...last, '-o', whole)).code).toBe(0);
    sameFiles(output, whole, ['checkpoint.safetensors', 'best.safetensors', 'adapter.safetensors']);
  },
);

test.runIf(process.platform === 'linux')(
  'a library user is told that the process ended, at every call',
  async () => {
    const run = TrainingRun.open(net.train, { threads: 1 });
    const initial = await run.save();
    process.kill(childOf(process.pid, 'runner/child.js')!, 'SIGKILL');
    for (let call = 0; call < 2; call++)
      await expect(run.save()).rejects.toThrow(
        /LOTR8112: .* ended by signal SIGKILL.*check that the memory/s,
      );
    run.load(initial);
    await expect(run.parameters()).rejects.toThrow(/LOTR8112/);
    await run.close();
  },
);

test.runIf(process.platform === 'linux')(
  'before its first checkpoint a run that lost its process says so',
  async () => {
    const output = join(root, 'early');
    const { pid, ended } = started(...words, '-o', output, '--epochs', '1000000', '--eval-every', '1000000');
    await until(() =>
      existsSync(join(output, 'report.html')) || childOf(pid, 'runner/child.js') ? true : null,
    );
    process.kill(await until(() => childOf(pid, 'runner/child.js')), 'SIGKILL');
    const { code, err } = await ended;
    expect(err).toMatch(/error LOTR8112: .* ended by signal SIGKILL/);
    expect(err).toMatch(/note: (there is no checkpoint yet|the last checkpoint is of step \d+)\n/);
    expect(err).toMatch(/hint: check that the memory suffices; (start the run again|resume it)/);
    expect(code).toBe(1);
  },
);

test.runIf(process.platform === 'linux')(
  'Ctrl-C twice ends a run whose step does not end, and its process goes',
  async () => {
    const output = join(root, 'endless');
    const { pid, ended } = started(...words, '-o', output, '--epochs', '1000000', '--checkpoint-every', '3');
    await until(() => ((readPosition(output)?.step ?? 0) > 0 ? true : null));
    const child = childOf(pid, 'runner/child.js')!;
    process.kill(child, 'SIGSTOP');
    process.kill(pid, 'SIGINT');
    await pause(200);
    expect(commandOf(pid)).toContain('train');
    process.kill(pid, 'SIGINT');
    expect((await ended).code).toBe(130);
    process.kill(child, 'SIGCONT');
    await until(() => (commandOf(child) === null ? true : null));
  },
);
