import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, expect, test } from 'vitest';
import { writeAtomically } from '../../../src/ir/files/atomic.js';
import type { Setting } from '../../../src/train/logs/hparams.js';
import { type ParquetOptions, parquetOutput } from '../../../src/train/logs/parquet.js';
import type { Log } from '../../../src/train/logs/rows.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-parquet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Rows as the file has them, and the physical type of each column. */
async function written(logs: readonly Log[], options?: ParquetOptions) {
  const path = join(folder, 'log.parquet');
  writeAtomically([parquetOutput(path, logs, options)]);
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { schema, key_value_metadata: entries = [] } = parquetMetadata(file);
  const types = Object.fromEntries(schema.slice(1).map(({ name, type }) => [name, type]));
  const metadata = Object.fromEntries(entries.map(({ key, value }) => [key, value!]));
  return { rows: await parquetReadObjects({ file }), types, metadata };
}

function log(
  settings: Readonly<Record<string, Setting>>,
  ...rows: readonly (readonly [split: string, step: number, values: Readonly<Record<string, number>>])[]
): Log {
  return {
    settings: new Map(Object.entries(settings)),
    rows: rows.map(([split, step, values], i) => ({
      split,
      step,
      wallTime: 1_700_000_000.25 + i,
      values: new Map(Object.entries(values)),
    })),
  };
}

test('a row per step: settings of the run, then the step, then what was measured', async () => {
  const about = { model: 'm.onnx', method: 'lotr', task: 'mrpc', lr: 0.001, rank: 8, seed: 7 };
  const { rows, types } = await written([
    log(
      { ...about, warmup: 20, fast: true },
      ['train', 1, { loss: 2.5, lr: Math.fround(0.1), norm: Number.NaN }],
      ['train', 3_000_000_000, { loss: Number.POSITIVE_INFINITY, norm: Number.NEGATIVE_INFINITY }],
      ['eval', 3_000_000_000, { loss: 1.25, accuracy: 0.1 }],
    ),
  ]);
  const settings = { ...about, rank: 8n, seed: 7n, fast: true, warmup: 20n };
  const none = { accuracy: null, learning_rate: null, loss: null, norm: null };
  expect(rows).toEqual([
    {
      ...settings,
      ...none,
      step: 1n,
      split: 'train',
      wall_time: 1_700_000_000.25,
      loss: 2.5,
      learning_rate: Math.fround(0.1),
      norm: Number.NaN,
    },
    {
      ...settings,
      ...none,
      step: 3_000_000_000n,
      split: 'train',
      wall_time: 1_700_000_001.25,
      loss: Number.POSITIVE_INFINITY,
      norm: Number.NEGATIVE_INFINITY,
    },
    {
      ...settings,
      ...none,
      step: 3_000_000_000n,
      split: 'eval',
      wall_time: 1_700_000_002.25,
      loss: 1.25,
      accuracy: 0.1,
    },
  ]);
  expect(Object.keys(types)).toEqual([
    ...['model', 'method', 'task', 'lr', 'rank', 'seed', 'fast', 'warmup'],
    ...['step', 'split', 'wall_time', 'loss', 'learning_rate', 'accuracy', 'norm'],
  ]);
  // 0.1 is not a float32
  expect(types).toMatchObject({
    loss: 'FLOAT',
    accuracy: 'DOUBLE',
    norm: 'FLOAT',
    rank: 'INT64',
    lr: 'DOUBLE',
  });
});

test('several runs in one file; a setting with values of two kinds is text', async () => {
  const { rows, types } = await written([
    log({ rank: 8, seed: 'a', note: true }, ['train', 1, { loss: 1 }]),
    log({ rank: 2.5, seed: 3 }, ['train', 1, { loss: 2 }]),
  ]);
  expect(rows.map(({ rank, seed, note, loss }) => [rank, seed, note, loss])).toEqual([
    [8, 'a', true, 1],
    [2.5, '3', null, 2],
  ]);
  expect(types).toMatchObject({ rank: 'DOUBLE', seed: 'BYTE_ARRAY', note: 'BOOLEAN', model: 'BYTE_ARRAY' });
});

test('names that meet are told apart', async () => {
  const { rows } = await written([
    log({ lr: 0.5, step: 3, accuracy: 1 }, [
      '',
      2,
      { lr: 0.25, learning_rate: 0.125, accuracy: 0.5, rank: 4 },
    ]),
  ]);
  expect(rows).toMatchObject([
    {
      lr: 0.5,
      step: 2n,
      step_setting: 3n,
      accuracy: 1n,
      accuracy_value: 0.5,
      learning_rate: 0.125,
      learning_rate_value: 0.25,
      rank: null,
      rank_value: 4,
    },
  ]);
});

test('a row per value, with its tag as the event file has it', async () => {
  const { rows, types } = await written(
    [log({ seed: 1 }, ['train', 5, { loss: 0.5, lr: 2 }], ['', 6, { other: Number.NaN }])],
    { layout: 'long' },
  );
  expect(rows.map(({ seed, step, split, tag, value }) => [seed, step, split, tag, value])).toEqual([
    [1n, 5n, 'train', 'train/loss', 0.5],
    [1n, 5n, 'train', 'train/lr', 2],
    [1n, 6n, '', 'other', Number.NaN],
  ]);
  expect(types.value).toBe('FLOAT');
});

test('an index sorts the rows, and pandas is told of it', async () => {
  const logs = [
    log({ task: 'b', rank: 2 }, ['train', 2, { loss: 1 }], ['train', 10, { loss: 2 }]),
    log({ task: 'a' }, ['train', 1, { loss: 3 }]),
    log({ task: 'b', rank: 1 }, ['train', 3, { loss: Number.NaN }], ['train', 3, { loss: -1 }]),
  ];
  const { rows, metadata } = await written(logs, { index: ['task', 'rank', 'loss'] });
  expect(rows.map(({ task, rank, step, loss }) => [task, rank, step, loss])).toEqual([
    ['a', null, 1n, 3],
    ['b', 1n, 3n, -1],
    ['b', 1n, 3n, Number.NaN],
    ['b', 2n, 2n, 1],
    ['b', 2n, 10n, 2],
  ]);
  expect(Object.keys(metadata)).toEqual(['pandas']);
  const { index_columns, columns } = JSON.parse(metadata.pandas!) as Record<string, unknown>;
  expect(index_columns).toEqual(['task', 'rank', 'loss']);
  expect(columns).toMatchObject([
    { field_name: 'task', pandas_type: 'unicode', numpy_type: 'object' },
    { field_name: 'rank', pandas_type: 'int64', numpy_type: 'int64' },
    { field_name: 'loss', pandas_type: 'float32', numpy_type: 'float32' },
  ]);
  expect((await written(logs)).metadata).toEqual({});
});

/** The fields of an Arrow schema, read by the rules of FlatBuffers: name, number of the type, whether there is a dictionary, nullable. */
function arrowFields(base64: string) {
  const bytes = Buffer.from(base64, 'base64');
  expect(bytes.readUInt32LE(0)).toBe(0xffffffff);
  expect(bytes.readInt32LE(4)).toBe(bytes.length - 8);
  const buffer = bytes.subarray(8);
  const refer = (at: number) => at + buffer.readUInt32LE(at);
  const place = (table: number, id: number) => {
    const fields = table - buffer.readInt32LE(table);
    const at = 4 + 2 * id < buffer.readUInt16LE(fields) ? buffer.readUInt16LE(fields + 4 + 2 * id) : 0;
    return at === 0 ? null : table + at;
  };
  const items = (vector: number) =>
    Array.from({ length: buffer.readUInt32LE(vector) }, (_, i) => refer(vector + 4 + 4 * i));
  const text = (at: number) => buffer.toString('utf8', at + 4, at + 4 + buffer.readUInt32LE(at));
  const message = refer(0);
  expect([buffer.readInt16LE(place(message, 0)!), buffer[place(message, 1)!]]).toEqual([4, 1]);
  const schema = refer(place(message, 2)!);
  const [entry] = items(refer(place(schema, 2)!));
  const fields = items(refer(place(schema, 1)!)).map((field) => {
    expect(items(refer(place(field, 5)!))).toEqual([]);
    const [nullable, type] = [buffer[place(field, 1)!], buffer[place(field, 2)!]];
    return [text(refer(place(field, 0)!)), type, place(field, 4) !== null, nullable];
  });
  return { fields, entry: [0, 1].map((id) => text(refer(place(entry!, id)!))) };
}

test('texts outside of the index are categories, in pandas and in Arrow', async () => {
  const logs = [
    log({ task: '\u00e4', method: 'lotr', fast: true }, ['train', 1, { loss: 1, other: 0.1 }]),
    log({ task: 'b', method: 'lora' }, ['train', 1, { loss: 2 }], ['eval', 1, { loss: 2 }]),
  ];
  const { rows, types, metadata } = await written(logs, { categories: true, index: ['task'] });
  expect(rows.map(({ task, method, split }) => [task, method, split])).toEqual([
    ['b', 'lora', 'train'],
    ['b', 'lora', 'eval'],
    ['\u00e4', 'lotr', 'train'],
  ]);
  const { columns } = JSON.parse(metadata.pandas!) as { columns: { name: string; metadata: unknown }[] };
  expect(columns.map(({ name, metadata: more }) => [name, more])).toEqual([
    ['method', { num_categories: 2, ordered: false }],
    ['task', null],
    ['split', { num_categories: 2, ordered: false }],
  ]);
  const { fields, entry } = arrowFields(metadata['ARROW:schema']!);
  expect(fields.map(([name]) => name)).toEqual(Object.keys(types));
  // Schema.fbs: 2 integers, 3 floats, 5 texts, 6 bools
  expect(Object.fromEntries(fields.map(([name, ...rest]) => [name, rest]))).toMatchObject({
    ...{ task: [5, false, 1], method: [5, true, 1], split: [5, true, 0], step: [2, false, 0] },
    ...{ model: [5, false, 1], fast: [6, false, 1], wall_time: [3, false, 0], loss: [3, false, 1] },
  });
  expect(entry).toEqual(['pandas', metadata.pandas]);
});

test('a long run comes back whole', async () => {
  const steps = Array.from(
    { length: 30_001 },
    (_, i) => ['train', i + 1, { loss: Math.fround(Math.sin(i)), norm: i }] as const,
  );
  const { rows } = await written([log({ model: 'm' }, ...steps)]);
  expect(rows).toHaveLength(30_001);
  for (const i of [0, 777, 30_000])
    expect(rows[i]).toMatchObject({ step: BigInt(i + 1), loss: Math.fround(Math.sin(i)), norm: i });
});
