import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../src/ir/diagnostics.js';
import { HeldBatches, type RowsOfData } from '../../src/train/batch-source.js';
import { openData } from '../../src/train/data/open.js';
import type { DataOptions } from '../../src/train/data/read-data.js';
import { type DataStream, openStream } from '../../src/train/data/stream/stream.js';
import { ALONE, type ProcessGroup } from '../../src/train/distributed/group.js';
import type { StepRow } from '../../src/train/log.js';
import { readSignature } from '../../src/train/read-signature.js';
import { cutOf } from '../../src/train/run-data.js';
import { readSettings } from '../../src/train/settings.js';
import { StreamedBatches } from '../../src/train/streamed-batches.js';
import { type TrainRequest, train } from '../../src/train/train.js';
import { done, records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';
import { generatedRecords } from '../support/generated-records.js';
import { groupsOf } from '../support/process-groups.js';
import { READING, refused, writeJsonl } from '../support/reading.js';

// Data that is read window by window: the same examples as in memory, each once in a pass, from any place on.

const root = mkdtempSync(join(tmpdir(), 'lotrc-streaming-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const DATA = join(import.meta.dirname, '../data');
const NAMES = ['fish', 'bird', 'newt'];
const ROWS = records(53, NAMES);
const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const table = (rows: typeof ROWS) =>
  `text,label\n${rows.map(({ text, label }) => `"${text}",${label}\n`).join('')}`;

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(at(name), content);
  return at(name);
}

function linked(target: string, name: string): string {
  symlinkSync(target, at(name));
  return at(name);
}

let net: TextClassifier;
/** a training directory of a language model */
const language = at('language');
beforeAll(async () => {
  net = await textClassifier(at('net'));
  cpSync(join(DATA, 'cases/train/tied.ts.onnx'), at('tied.onnx'));
  await done('rewrite', at('tied.onnx'), '--rank', '2');
  await done('emit', 'onnx-train', at('tied.lotr.onnx'), '-o', language, '--shift');
});

interface Asked extends Partial<DataOptions> {
  readonly folder?: string;
  readonly batchSize?: number;
}

const SEED = 3;
const cut = ({ folder = net.train, batchSize = 4, bucket = false }: Asked, columns: readonly string[]) =>
  cutOf(readSignature(folder), { columns }, batchSize, new Map(), bucket);
const optionsOf = ({ folder: _, batchSize: __, ...more }: Asked): DataOptions => ({
  ...READING,
  tokenizer: net.tokenizer,
  ...more,
});

async function held(data: string, asked: Asked = {}): Promise<HeldBatches> {
  const signature = readSignature(asked.folder ?? net.train);
  const { dataset } = await openData(data, signature, optionsOf(asked), null);
  return new HeldBatches(dataset, cut(asked, dataset.columns), SEED);
}

const stream = (
  given: string,
  window: number,
  asked: Asked = {},
  known: DataStream | null = null,
  watch = () => {},
) =>
  openStream({
    given,
    signature: readSignature(asked.folder ?? net.train),
    options: optionsOf(asked),
    inputs: new Map(),
    window,
    known,
    cutFor: (columns) => cut(asked, columns),
    watch,
  });

/** What graphs are given of batches. */
const numbersOf = (batches: readonly RowsOfData[]) =>
  batches.map(({ data, rows }) => {
    const { columns, labels } = data.batch(rows);
    return [...columns.values(), labels].map((column) => [column.shape, [...column.data]]);
  });

/** The batches of two passes. */
async function passes(source: HeldBatches | StreamedBatches) {
  const found = [];
  for (const epoch of [0, 1]) found.push(numbersOf(await source.take(epoch, 0, source.batches)));
  await source.close();
  return found;
}

/** Batches as what examples they have, whatever their order and padding. */
const examplesOf = (batches: readonly RowsOfData[]) =>
  batches
    .flatMap(({ data, rows }) =>
      [...rows].map((row) => JSON.stringify(numbersOf([{ data, rows: Int32Array.of(row) }]))),
    )
    .sort();

describe('a window that takes all of the data gives the batches of the data in memory', () => {
  test.each([
    ['JSON Lines', 'one.jsonl', () => jsonl(ROWS), {}],
    ['gzip', 'one.jsonl.gz', () => zlib.gzipSync(jsonl(ROWS)), {}],
    ['a table with quotes', 'one.csv', () => table(ROWS), {}],
    ['batches of one length', 'bucket.jsonl', () => jsonl(ROWS), { bucket: true }],
    [
      'row groups of Parquet',
      'one.parquet',
      () =>
        new Uint8Array(
          parquetWriteBuffer({
            columnData: (['text', 'label'] as const).map((name) => ({
              name,
              type: 'STRING',
              data: ROWS.map((row) => row[name]),
            })),
            rowGroupSize: 20,
          }),
        ),
      {},
    ],
  ] as const)('%s', async (_, name, content, more) => {
    const path = file(name, content());
    const [inMemory, streamed] = [await held(path, more), await stream(path, 53, more)];
    expect(await passes(new StreamedBatches(streamed, SEED))).toEqual(await passes(inMemory));
  });

  test.skipIf(!('zstdCompressSync' in zlib))('zstd', async () => {
    const { zstdCompressSync } = zlib as unknown as {
      readonly zstdCompressSync: (text: string) => Uint8Array;
    };
    const path = file('one.jsonl.zst', zstdCompressSync(jsonl(ROWS)));
    const plain = await held(writeJsonl(at('plain.jsonl'), ROWS));
    expect(await passes(new StreamedBatches(await stream(path, 53), SEED))).toEqual(await passes(plain));
  });

  test('several files, as one file with their rows; and the names of classes that only some have', async () => {
    file('part-0.jsonl', jsonl(ROWS.slice(0, 17).map((row) => ({ ...row, label: 'fish' }))));
    file('part-1.jsonl', '');
    file('part-2.jsonl', jsonl(ROWS.slice(17)));
    const all = file(
      'all.jsonl',
      ['part-0.jsonl', 'part-2.jsonl'].map((name) => readFileSync(at(name))).join(''),
    );
    const streamed = await stream(at('part-?.jsonl'), 60);
    expect(streamed.labels).toEqual({ kind: 'names', names: ['bird', 'fish', 'newt'], order: 'data' });
    expect(await passes(new StreamedBatches(streamed, SEED))).toEqual(await passes(await held(all)));
  });

  test('rows of running text, also of several files and with a window that ends between', async () => {
    const text = readFileSync(join(DATA, '../../models/charlm/moby-dick.val.txt'), 'utf8').slice(0, 150_000);
    const asked = { folder: language, tokenizer: join(DATA, 'language/tokenizer.json'), maxLength: 33 };
    const [a, b] = [file('a.txt', text.slice(0, 80_000)), file('b.txt', text.slice(80_000))];
    const inMemory = await held(a, asked);
    const one = new StreamedBatches(await stream(a, inMemory.examples, asked), SEED);
    expect(await passes(one)).toEqual(await passes(inMemory));
    // cut elsewhere, the same rows
    const narrow = new StreamedBatches(await stream(a, 100, asked), SEED);
    expect(narrow.examples).toBe(inMemory.examples);
    const [all, same] = [
      await inMemory.take(0, 0, inMemory.batches),
      await narrow.take(0, 0, narrow.batches),
    ];
    expect(examplesOf(same)).toEqual(examplesOf(all));
    const both = new StreamedBatches(await stream(`${a},${b}`, 700, asked), SEED);
    const later = await both.take(0, 0, both.batches);
    const index = await stream(`${a},${b}`, 700, asked);
    const resumed = new StreamedBatches(await stream(`${a},${b}`, 700, asked, index), SEED);
    const last = both.batches - 3;
    expect(numbersOf(await resumed.take(0, last, 9))).toEqual(numbersOf(later.slice(last)));
    await Promise.all([narrow.close(), both.close(), resumed.close()]);
  });
});

describe('windows of some of the data', () => {
  test('give each example once in a pass, in another order in the next one, and from any batch on', async () => {
    file('shard-0.jsonl', jsonl(ROWS.slice(0, 19)));
    file('shard-1.jsonl.gz', zlib.gzipSync(jsonl(ROWS.slice(19, 30))));
    file('shard-2.jsonl', jsonl(ROWS.slice(30)));
    const given = at('shard-*.jsonl*');
    const streamed = await stream(given, 8);
    const source = new StreamedBatches(streamed, SEED);
    expect([source.examples, source.batches, streamed.index.windows.length]).toEqual([53, 14, 7]);
    const all = await held(writeJsonl(at('all.jsonl'), ROWS));
    const one = await source.take(0, 0, 99);
    const two = await source.take(1, 0, 99);
    expect(examplesOf(one)).toEqual(examplesOf(await all.take(0, 0, 99)));
    expect(examplesOf(two)).toEqual(examplesOf(one));
    expect(numbersOf(two)).not.toEqual(numbersOf(one));
    // a run that goes on reads no more than it must: it has what the first one found
    const again = new StreamedBatches(await stream(given, 8, {}, streamed), SEED);
    for (const start of [13, 5, 0, 6]) {
      expect(numbersOf(await again.take(0, start, 3))).toEqual(numbersOf(one.slice(start, start + 3)));
    }
    await Promise.all([source.close(), again.close()]);
  });

  test('records that cannot be used are left out and told once, with their files', async () => {
    file('odd-0.jsonl', `${jsonl(ROWS.slice(0, 5))}[]\n`);
    file('odd-1.jsonl', `${jsonl(ROWS.slice(5, 9))}{"text":"a"}\n${jsonl(ROWS.slice(9, 12))}`);
    const streamed = await stream(at('odd-*.jsonl'), 3, { badLines: 'skip' });
    const source = new StreamedBatches(streamed, SEED);
    expect(source.examples).toBe(12);
    expect(await source.take(0, 0, 99)).toHaveLength(source.batches);
    await source.close();
    const [skipped] = streamed.notes.filter(({ code }) => code === 'LOTR8206') as [Diagnostic];
    expect(skipped.notes?.map(({ message }) => message)).toEqual([
      `${at('odd-0.jsonl')}, line 6: it is not a JSON object`,
      `${at('odd-1.jsonl')}, line 5: it has no "label"`,
    ]);
    const stopped = await refused(stream(at('odd-*.jsonl'), 3));
    expect([stopped.code, stopped.at]).toEqual([
      'LOTR8205',
      expect.objectContaining({ file: at('odd-0.jsonl'), line: 6 }),
    ]);
  });

  test('class numbers that begin in a later window, and one that is none', async () => {
    const numbered = ROWS.map((row, i) => ({ ...row, label: i < 20 ? 1 : i % 3 }));
    const streamed = await stream(writeJsonl(at('numbers.jsonl'), numbered), 6);
    expect(streamed.labels).toEqual({ kind: 'integers' });
    const bad = writeJsonl(at('bad-number.jsonl'), numbered.with(30, { ...ROWS[30]!, label: -1 }));
    expect(await refused(stream(bad, 6))).toMatchObject({ code: 'LOTR8205', at: { line: 31 } });
    const skipping = await stream(bad, 6, { badLines: 'skip' });
    expect(new StreamedBatches(skipping, SEED).examples).toBe(52);
    const many = writeJsonl(at('many.jsonl'), numbered.with(30, { ...ROWS[30]!, label: 3 }));
    expect((await refused(stream(many, 6))).message).toContain('4');
  });
});

test.skipIf(!EVERYTHING)('12 MB, of which windows of 500 are read, take less than 90 MB of memory', () => {
  const path = at('large.jsonl');
  for (const lines of generatedRecords(12e6, 1)) appendFileSync(path, lines);
  // in a process of its own, without room for garbage: read as one window, 140 MB
  const program = join(import.meta.dirname, '../../dist/test/large/read-stream.js');
  const words = ['--max-semi-space-size=1', program, net.train, net.tokenizer, path, '500'];
  const { examples, seen, most } = JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' }));
  expect(examples).toBeGreaterThan(17_000);
  expect(seen).toBe(examples);
  expect(most).toBeLessThan(90e6);
});

describe('a file is refused', () => {
  test.each([
    ['that no name fits', () => at('none-*.jsonl'), 'no file has a name of that form'],
    [
      'that is named twice',
      (): string => `${file('t.jsonl', jsonl(ROWS))},${at('t.jsonl')}`,
      'it is named twice',
    ],
    [
      'of another form',
      (): string => `${file('t.jsonl', jsonl(ROWS))},${file('t.csv', table(ROWS))}`,
      'it is .csv',
    ],
    ['that is not gzip', () => file('not.jsonl.gz', jsonl(ROWS)), 'its name says gzip'],
    [
      'that ends early',
      () => file('cut.jsonl.gz', zlib.gzipSync(jsonl(ROWS)).subarray(0, 90)),
      'its name says gzip',
    ],
    ['of Parquet that is packed', () => file('p.parquet.gz', ''), 'it is packed with gzip'],
    ['of ready tensors', () => file('t.safetensors', ''), 'ready tensors are not read window by window'],
    ['that is a device', (): string => linked('/dev/zero', 'zeros.jsonl'), 'it is not a regular file'],
    [
      'with other columns',
      (): string => `${file('c0.csv', table(ROWS))},${file('c1.csv', 'text,kind\na,b\n')}`,
      'its columns are text, kind',
    ],
  ] as const)('LOTR8204 %s', async (_, given, why) => {
    const { code, message } = await refused(stream(given(), 9));
    expect([code, message]).toEqual(['LOTR8204', expect.stringContaining(why)]);
  });

  test.skipIf('createZstdDecompress' in zlib)('LOTR8204 zstd, before Node.js 22.15', async () => {
    const { code, message } = await refused(stream(file('z.jsonl.zst', 'z'), 9));
    expect([code, message]).toEqual(['LOTR8204', expect.stringContaining('packed with zstd')]);
  });

  test('LOTR1006 that changes between two passes', async () => {
    const path = writeJsonl(at('grows.jsonl'), ROWS);
    const source = new StreamedBatches(await stream(path, 8), SEED);
    await source.take(0, 0, 2);
    await source.close();
    appendFileSync(path, jsonl(ROWS));
    expect(await refused(source.take(1, 0, 2))).toMatchObject({ code: 'LOTR1006' });
    await source.close();
  });
});

describe('a run', () => {
  const request = (output: string, data: string, more: Partial<TrainRequest> = {}): TrainRequest => ({
    folder: net.train,
    output,
    data,
    evalData: null,
    evalSplit: 0,
    window: 8,
    reading: optionsOf({ maxLength: 24 }),
    batchSize: 4,
    plan: {
      ...{
        epochs: 2,
        maxSteps: 21,
        accumulate: 1,
        seed: 5,
        lossScale: 1,
        evalEvery: null,
        checkpointEvery: 100,
      },
      ...{ best: 'loss', patience: null, warmupSteps: null },
      schedule: { kind: 'linear', peak: 0.01, floor: 0, power: 1, warmup: 0 },
    },
    ...{ ep: 'cpu', threads: 1, inputs: new Map(), lowMemory: false, resume: false, inProcess: true },
    ...more,
  });

  async function ran(asked: TrainRequest, groups: readonly ProcessGroup[] = [ALONE], stopAfter = 99) {
    const rows: StepRow[] = [];
    const nothing = () => undefined;
    const events = {
      ...{ reading: nothing, opened: nothing, started: nothing, evaluated: nothing, note: nothing },
      step: (row: StepRow) => rows.push(row),
      interrupted: () => rows.length >= stopAfter,
    };
    await Promise.all(groups.map((group) => train(asked, events, group)));
    const state = readFileSync(join(asked.output, 'checkpoint.safetensors'));
    return { state, losses: rows.map(({ loss }) => loss), settings: readSettings(asked.output)! };
  }

  test('has the bits of one in memory when the window takes all, and goes on in the middle of a window', async () => {
    const data = writeJsonl(at('run.jsonl'), ROWS);
    const { window: _, ...inMemory } = request(at('held'), data);
    const [a, b] = [await ran(inMemory), await ran(request(at('wide'), data, { window: 53 }))];
    expect(b.state).toEqual(a.state);
    const whole = await ran(request(at('whole'), data));
    expect(whole.losses).toHaveLength(21);
    expect(whole.losses).not.toEqual(a.losses);
    // 53 examples in windows of 8 are 14 batches: step 17 is the first of two of a window in the second pass
    const first = await ran(request(at('parts'), data), [ALONE], 17);
    expect(first.settings.stream!.windows).toHaveLength(7);
    const second = await ran(request(at('parts'), data, { resume: true }));
    expect([...first.losses, ...second.losses]).toEqual(whole.losses);
    expect(second.state).toEqual(whole.state);
    const other = request(at('parts'), data, { resume: true, window: 9 });
    expect(await refused(ran(other))).toMatchObject({
      code: 'LOTR8211',
      message: expect.stringContaining('window'),
    });
  });

  test('has the same examples on 2 ranks, and on another number when it goes on', async () => {
    const data = writeJsonl(at('ranks.jsonl'), ROWS);
    const one = await ran(request(at('one'), data));
    const two = await ran(request(at('two'), data), groupsOf(2), 9);
    const three = await ran(request(at('two'), data, { resume: true }), groupsOf(3));
    for (const [i, loss] of [...two.losses.slice(0, 9), ...three.losses].entries())
      expect(Math.abs(loss - one.losses[i]!), `step ${i + 1}`).toBeLessThan(1e-6 * loss);
  });

  test('is started and resumed on the command line', async () => {
    file('cli-0.jsonl', jsonl(ROWS.slice(0, 20)));
    file('cli-1.jsonl.gz', zlib.gzipSync(jsonl(ROWS.slice(20))));
    const words = [
      'train',
      net.train,
      '-o',
      at('cli'),
      '--max-steps',
      '3',
      '--batch-size',
      '4',
      '--in-process',
    ];
    const given = [
      '--data',
      at('cli-*'),
      '--tokenizer',
      net.tokenizer,
      '--streaming',
      '--shuffle-window',
      '10',
    ];
    const started = await lotrc(...words, ...given);
    expect([started.code, started.err]).toEqual([0, expect.stringContaining('53 examples')]);
    const more = await lotrc(
      'train',
      net.train,
      '-o',
      at('cli'),
      '--resume',
      '--max-steps',
      '5',
      '--in-process',
    );
    expect(more.code, more.err).toBe(0);
    expect(readSettings(at('cli'))!.stream!.window).toBe(10);
    const split = await lotrc(...words, ...given, '--eval-split', '0.1');
    expect([split.code, split.err]).toEqual([2, expect.stringContaining('--eval-data')]);
    expect(existsSync(at('cli/adapter.safetensors'))).toBe(true);
  });
});
