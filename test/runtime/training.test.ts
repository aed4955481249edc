import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { GivenBatch } from '../../src/runtime/batch.js';
import { type FileProgress, TrainingRun } from '../../src/runtime/index.js';
import type { GivenTraining } from '../../src/runtime/training.js';
import { readLogs } from '../../src/train/logs/find.js';
import { done, records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { EVERYTHING } from '../support/everything.js';
import { filesIn, recordedRun } from '../support/given-run.js';
import { writeJsonl } from '../support/reading.js';

const ROOT = join(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'lotrc-runtime-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const NODE: GivenTraining = { ort, ep: 'cpu', session: { intraOpNumThreads: 1 } };

/** The files of a run of the command line. */
const bytesIn = (output: string, name: string) => readFileSync(join(output, `${name}.safetensors`));

/** Takes the steps of a recorded run from the one after the last that was taken; the losses. */
async function goOn(
  run: TrainingRun,
  { steps, schedule }: Awaited<ReturnType<typeof recordedRun>>,
  to = steps.length,
): Promise<number[]> {
  const losses: number[] = [];
  while (run.taken < to) losses.push((await run.step(steps[run.taken]!, { lr: schedule })).loss);
  return losses;
}

/** The losses of a run of the command line, by its log. */
function lossesOf(output: string): readonly number[] {
  const [log] = readLogs([output]).logs;
  return log!.rows.flatMap(({ split, values }) => (split === 'train' ? [values.get('loss')!] : []));
}

function same(found: Uint8Array, wanted: Uint8Array): void {
  expect(Buffer.compare(found, wanted)).toBe(0);
}

/** Steps, and those before the checkpoint that is gone on from. */
const [STEPS, BEFORE] = EVERYTHING ? [50, 39] : [12, 8];

describe(`charlm, ${STEPS} steps`, () => {
  const folder = join(root, 'charlm');
  const output = join(root, 'charlm-run');
  beforeAll(async () => {
    const model = join(root, 'charlm.lotr.onnx');
    const given = join(ROOT, 'models/charlm');
    await done('rewrite', join(given, 'charlm.onnx'), '--rank', '3', '--init', 'fan-in', '-o', model);
    await done('emit', 'onnx-train', model, '-o', folder, '--loss', 'cross-entropy', '--max-norm', '1');
    const vocab = join(root, 'vocab.json');
    const { chars } = JSON.parse(readFileSync(join(given, 'vocab.json'), 'utf8')) as { chars: string };
    writeFileSync(vocab, JSON.stringify({ type: 'character', chars }));
    const words = ['--data', join(given, 'moby-dick.train.txt'), '--tokenizer', vocab, '--max-length', '8'];
    const how = [
      '--batch-size',
      '3',
      '--max-steps',
      String(STEPS),
      '--lr',
      '0.01',
      '--schedule',
      'cosine',
      '--warmup',
      '5',
    ];
    await done('train', folder, ...words, ...how, '-o', output, '--seed', '7');
  });

  test('losses, adapter and checkpoint are those of lotrc train, bit for bit; a checkpoint goes on with the same bits', async () => {
    const recorded = await recordedRun(folder, output);
    const given = { ...NODE, seed: recorded.seed };
    const run = await TrainingRun.open(filesIn(folder), given);
    const head = await goOn(run, recorded, BEFORE);
    const held = await run.checkpoint();
    const losses = [...head, ...(await goOn(run, recorded))];
    expect(new Set(losses).size).toBe(STEPS);
    expect(losses).toEqual(lossesOf(output));
    const check = async (of: TrainingRun) => {
      same(await of.adapter(), bytesIn(output, 'adapter'));
      same(await of.checkpoint(), bytesIn(output, 'checkpoint'));
      await of.close();
    };
    await check(run);
    const other = await TrainingRun.open(filesIn(folder), given);
    await other.resume(new Blob([held as Uint8Array<ArrayBuffer>]));
    expect(other.taken).toBe(BEFORE);
    expect([...head, ...(await goOn(other, recorded))]).toEqual(losses);
    await check(other);
    const third = await TrainingRun.open(filesIn(folder), given);
    await third.resume(bytesIn(output, 'checkpoint'));
    await check(third);
  });
});

describe('a classifier', () => {
  let net: TextClassifier;
  /** a batch of the data */
  let good: GivenBatch;
  const data = join(root, 'data.jsonl');
  beforeAll(async () => {
    net = await textClassifier(join(root, 'net'), {
      emit: ['--group', 'M$:lr=4x,weight-decay=0.1', '--max-norm', '1'],
    });
    writeJsonl(data, records(45, ['fish', 'bird', 'newt']));
    good = (await train('plain', '--max-steps', '2')).recorded.steps[0]![0]!;
  });
  const train = async (name: string, ...words: readonly string[]) => {
    const output = join(root, name);
    const given = [
      '--data',
      data,
      '--tokenizer',
      net.tokenizer,
      '-o',
      output,
      '--lr',
      '0.05',
      '--batch-size',
      '4',
    ];
    await done('train', net.train, ...given, ...words);
    return { output, recorded: await recordedRun(net.train, output) };
  };

  test('steps over several batches, of which the last has fewer; groups of parameters; polynomial rates', async () => {
    const more = [
      '--accumulate',
      '5',
      '--epochs',
      '3',
      '--schedule',
      'polynomial',
      '--power',
      '2',
      '--min-lr',
      '0.001',
    ];
    const { output, recorded } = await train('accumulated', ...more);
    expect(recorded.steps.map(({ length }) => length)).toEqual([5, 5, 2, 5, 5, 2, 5, 5, 2]);
    const run = await TrainingRun.open(filesIn(net.train), { ...NODE, accumulate: 5 });
    expect((await goOn(run, recorded)).map(Math.fround)).toEqual(lossesOf(output));
    same(await run.adapter(), bytesIn(output, 'adapter'));
    same(await run.checkpoint(), bytesIn(output, 'checkpoint'));
    await run.close();
  });

  test('gradients that overflow change nothing and halve the loss scale; a run of them ends (LOTR8213)', async () => {
    const run = await TrainingRun.open(filesIn(net.train), { ...NODE, lossScale: 8 });
    await run.step(good, { lr: 0.01 });
    const before = readState(await run.checkpoint());
    const bad = {
      ...good,
      attention_mask: { dims: good.attention_mask!.dims, data: good.attention_mask!.data },
    };
    bad.attention_mask.data = Float32Array.from(good.attention_mask!.data as Float32Array, () => Number.NaN);
    const skipped = await run.step(bad, { lr: 0.01 });
    expect(skipped).toMatchObject({ step: 2, finite: false, lossScale: 8 });
    expect(readState(await run.checkpoint())).toEqual(before);
    expect((await run.step(good, { lr: 0.01 })).lossScale).toBe(4);
    const all = async () => {
      for (let step = 0; step < 40; step++) await run.step(bad, { lr: 0.01 });
    };
    await expect(all()).rejects.toThrow(/LOTR8213: 40 steps in a row/);
    await run.close();
  });

  test('evaluation over batches is that of lotrc eval', async () => {
    const { output, recorded } = await train('evaluated', '--epochs', '2', '--seed', '2');
    const out = await done(
      'eval',
      net.train,
      '--run',
      output,
      '--data',
      data,
      '--tokenizer',
      net.tokenizer,
      '--json',
    );
    const wanted = JSON.parse(out) as { readonly loss: number; readonly accuracy: number };
    const run = await TrainingRun.open(filesIn(net.train), NODE);
    await run.resume(bytesIn(output, 'checkpoint'));
    const { loss, accuracy, count } = await run.evaluate(recorded.steps.slice(0, 12).flat());
    expect(count).toBe(45);
    expect(Math.abs(loss / wanted.loss - 1)).toBeLessThan(1e-6);
    expect(accuracy).toBe(wanted.accuracy);
    await run.close();
  });

  test('an abort before a step leaves what was taken', async () => {
    const stop = new AbortController();
    const run = await TrainingRun.open(filesIn(net.train), NODE);
    await run.step(good, { lr: 0.01, signal: stop.signal });
    const before = await run.checkpoint();
    stop.abort(new Error('enough'));
    await expect(run.step(good, { lr: 0.01, signal: stop.signal })).rejects.toThrow('enough');
    expect(run.taken).toBe(1);
    same(await run.checkpoint(), before);
    await run.close();
    await expect(TrainingRun.open(filesIn(net.train), { ...NODE, signal: stop.signal })).rejects.toThrow(
      'enough',
    );
  });

  test('from an address: files are reported as they are read, the base once; a folder that is not there (LOTR8120)', async () => {
    const server = createServer((request, response) => {
      const [, folder, file] = decodeURIComponent(request.url!).split('/');
      const name = join(net.train, file!);
      if (folder !== 'train' || !existsSync(name)) return response.writeHead(404).end();
      const bytes = readFileSync(name);
      return response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const read: string[] = [];
    const onProgress = ({ file, bytes, total }: FileProgress) => {
      if (bytes === total) read.push(file.slice(address.length));
    };
    const run = await TrainingRun.open(`${address}/train`, { ...NODE, onProgress });
    await run.step(good, { lr: 0.01 });
    await run.evaluate([good]);
    await run.close();
    const names = ['signature.json', 'state.safetensors', 'step.onnx', 'model.lotr.onnx', 'eval.onnx'];
    expect(read.sort()).toEqual(names.map((name) => `/train/${name}`).sort());
    const absent = TrainingRun.open(new URL(`${address}/absent`), NODE);
    await expect(absent).rejects.toThrow(/LOTR8120: the file cannot be fetched: the server answers 404/);
    server.close();
    await expect(TrainingRun.open(`${address}/train`, NODE)).rejects.toThrow(/LOTR8120/);
  });

  test.each<[string, (good: GivenBatch) => GivenBatch, RegExp]>([
    [
      'an input is missing',
      ({ labels }) => ({ labels: labels! }),
      /LOTR8208: the model needs the input "input_ids"/,
    ],
    ['an input is unknown', (good) => ({ ...good, x: good.labels! }), /LOTR8204: it has "x"/],
    [
      'an id has no row',
      ({ input_ids, ...rest }) => ({
        ...rest,
        input_ids: { dims: input_ids!.dims, data: Int32Array.from(input_ids!.data as Int32Array, () => 99) },
      }),
      /LOTR8250/,
    ],
    [
      'numbers are missing',
      ({ input_ids, ...rest }) => ({ ...rest, input_ids: { dims: [4, 99], data: input_ids!.data } }),
      /LOTR8204: "input_ids" is \[4,99\] and has \d+ numbers/,
    ],
    [
      'a text is not a number',
      ({ labels, ...rest }) => ({ ...rest, labels: { dims: labels!.dims, data: ['a', 'b', 'c', 'd'] } }),
      /LOTR8204: "labels" holds "a"/,
    ],
  ])('%s: refused, and the run goes on', async (_, change, wanted) => {
    const run = await TrainingRun.open(filesIn(net.train), NODE);
    await expect(run.step(change(good), { lr: 0.01 })).rejects.toThrow(wanted);
    expect((await run.step(good, { lr: 0.01 })).step).toBe(1);
    await expect(run.step([good, good], { lr: 0.01 })).rejects.toThrow(/LOTR8204: the step has 2 batches/);
    await run.close();
  });

  test('files that are missing, damaged or of others are refused by name', async () => {
    const changed = (name: string, change: (bytes: Buffer) => Uint8Array) =>
      TrainingRun.open((file) => {
        const bytes = readFileSync(join(net.train, file));
        return file === name ? change(bytes) : bytes;
      }, NODE);
    await expect(changed('signature.json', () => Buffer.from('{'))).rejects.toThrow(
      /LOTR8201: it cannot be read as JSON/,
    );
    await expect(changed('state.safetensors', (all) => all.subarray(0, 99))).rejects.toThrow(/LOTR7001/);
    const outside = (all: Buffer) => Buffer.from(String(all).replace(/"location": "/, '"location": "../'));
    await expect(changed('signature.json', outside)).rejects.toThrow(
      /LOTR8201: "\.\.\/model.lotr.onnx" is not the path/,
    );
    const flipped = await changed('model.lotr.onnx', (all) =>
      all.map((byte, k) => (k === 700 ? byte ^ 1 : byte)),
    );
    await expect(flipped.step(good, { lr: 0.01 })).rejects.toThrow(
      /LOTR8201: the base weights were changed: its digest/,
    );
    const short = await changed('step.onnx', (all) => all.subarray(0, 300));
    await expect(short.step(good, { lr: 0.01 })).rejects.toThrow(/LOTR8110/);
    const named = TrainingRun.open(
      new Map([['signature.json', readFileSync(join(net.train, 'signature.json'))]]),
      NODE,
    );
    await expect(named).rejects.toThrow(/LOTR8120.*not among the files/s);
    await expect(TrainingRun.open('train', NODE)).rejects.toThrow(/LOTR8120.*not an address/s);
    const run = await TrainingRun.open(filesIn(net.train), NODE);
    await expect(run.resume(await run.adapter())).rejects.toThrow(/LOTR8212: it does not have the position/);
    await run.close();
  });
});

test('masks of Dropout are those of the seed, as lotrc train draws them', async () => {
  const cases = join(import.meta.dirname, '../data/cases/train');
  const [model, folder, output] = ['drop.lotr.onnx', 'drop', 'drop-run'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  await done(
    'rewrite',
    join(cases, 'drop.onnx'),
    '-o',
    model,
    '--rank',
    '2',
    '--init',
    'fan-in',
    '--scale',
    '4',
  );
  await done('emit', 'onnx-train', model, '-o', folder);
  const words = ['--data', join(cases, 'drop.safetensors'), '--batch-size', '4', '--accumulate', '2'];
  await done('train', folder, ...words, '--max-steps', '2', '--lr', '0.05', '--seed', '5', '-o', output);
  const recorded = await recordedRun(folder, output);
  const trained = async (seed: number) => {
    const run = await TrainingRun.open(filesIn(folder), { ...NODE, accumulate: 2, seed });
    await goOn(run, recorded);
    const adapter = await run.adapter();
    await run.close();
    return Buffer.from(adapter);
  };
  expect((await trained(5)).equals(bytesIn(output, 'adapter'))).toBe(true);
  expect((await trained(6)).equals(bytesIn(output, 'adapter'))).toBe(false);
});

/** Numbers of all tensors of a file. */
function readState(file: Uint8Array): readonly string[] {
  const path = join(root, 'state.safetensors');
  writeFileSync(path, file);
  return [...readSafetensors(path).tensors].map(
    ([name, tensor]) => `${name} ${Buffer.from(tensor.bytes()).toString('hex')}`,
  );
}
