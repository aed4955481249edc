import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';

const GLUE = resolve(import.meta.dirname, '../data/logs/glue');
const LOTR = join(GLUE, 'roberta/lotr/mrpc/1e-3/8/42/events.out.tfevents.1700000000.host.0');
const root = mkdtempSync(join(tmpdir(), 'lotrc-cli-logs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let serial = 0;
let folder = '';
let out = '';
beforeEach(() => {
  folder = join(root, String(serial++));
  mkdirSync(folder);
  out = join(folder, 'out.parquet');
});

async function rowsOf(path: string) {
  const bytes = readFileSync(path);
  return parquetReadObjects({
    file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  });
}

describe('lotrc logs to-parquet', () => {
  test('makes columns of the folders above the event files, numbers where all are', async () => {
    const done = await lotrc(
      'logs',
      'to-parquet',
      GLUE,
      '-o',
      out,
      '--names',
      'model,method,task,lr,rank,seed',
    );
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toMatch(/^3 event files, 2 runs, 8 rows\nwrote .*out\.parquet \([\d,]+ bytes\)\n$/);
    const rows = await rowsOf(out);
    expect(
      rows.map(({ model, method, task, lr, rank, seed, step, loss }) => [
        model,
        method,
        task,
        lr,
        rank,
        seed,
        step,
        loss,
      ]),
    ).toEqual([
      ['roberta', 'lora', 'mrpc', 5e-4, 2n, 7n, 3n, 0.625],
      ...[
        [1n, 2.5],
        [4n, 2.25],
        [4n, null],
        [7n, Number.NaN],
        [10n, Number.POSITIVE_INFINITY],
        [13n, Number.NEGATIVE_INFINITY],
        [16n, 1.125],
      ].map((last) => ['roberta', 'lotr', 'mrpc', 1e-3, 8n, 42n, ...last]),
    ]);
  });

  test('takes the settings that the file itself has, and the requested tags', async () => {
    const long = ['--layout', 'long', '--tags', '^train/loss$', '--json'];
    const done = await lotrc('logs', 'to-parquet', GLUE, '-o', out, ...long);
    expect(JSON.parse(done.out)).toMatchObject({ version: 1, runs: 2, rows: 7, output: out });
    const rows = await rowsOf(out);
    expect(rows[0]).toMatchObject({
      model: 'roberta-base',
      schedule: 'linear',
      lr: 5e-4,
      rank: 2n,
      tag: 'train/loss',
    });
    expect(rows[1]).toMatchObject({ model: null, lr: null, tag: 'train/loss', value: 2.5 });
  });

  test('a file that is given by itself is one run, and given twice still one', async () => {
    const done = await lotrc('logs', 'to-parquet', LOTR, LOTR, '-o', out);
    expect(done.out).toContain('1 event file, 1 run, 9 rows\n');
    expect((await rowsOf(out)).at(-1)).toMatchObject({ step: 19n });
  });

  test('uses what is whole of a damaged file and says where it stops', async () => {
    const damaged = join(folder, 'events.out.tfevents.1');
    cpSync(LOTR, damaged);
    const size = readFileSync(damaged).byteLength;
    appendFileSync(damaged, Buffer.alloc(5, 1));
    const done = await lotrc('logs', 'to-parquet', damaged, '-o', out);
    expect(done.code).toBe(0);
    expect(done.err).toMatch(/^warning LOTR5201: the file ends within a record\n/);
    expect(done.err).toContain(`events.out.tfevents.1 at byte ${size}\n`);
    expect(await rowsOf(out)).toHaveLength(9);
  });

  test('refuses when there is nothing to convert', async () => {
    const empty = await lotrc('logs', 'to-parquet', folder, '-o', out);
    expect(empty).toMatchObject({ code: 1, out: '' });
    expect(empty.err).toMatch(/^error LOTR5202: the folder holds no TensorBoard event file\n/);
    const none = await lotrc('logs', 'to-parquet', GLUE, '-o', out, '--tags', 'nothing');
    expect(none.err).toMatch(/^error LOTR5202: no scalar value was found\n/);
    writeFileSync(join(folder, 'text.tfevents'), 'this is not an event file');
    const other = await lotrc('logs', 'to-parquet', folder, '-o', out);
    expect(other.err).toMatch(/LOTR5201[\s\S]*error LOTR5202/);
    expect((await lotrc('logs', 'to-parquet', join(folder, 'none'), '-o', out)).err).toContain('LOTR1002');
  });

  test('refuses more names than folders, and names or patterns that cannot be', async () => {
    const deep = await lotrc(
      'logs',
      'to-parquet',
      join(GLUE, 'roberta'),
      '-o',
      out,
      '--names',
      'a,b,c,d,e,f',
    );
    expect(deep).toMatchObject({ code: 1 });
    expect(deep.err).toMatch(/^error LOTR5203: 6 names were given, but the file lies 5 folders deep\n/);
    for (const [option, value, said] of [
      ['--names', 'a,,b', 'names separated by commas'],
      ['--names', 'a,b,a', '"a" twice'],
      ['--tags', '(', 'regular expression'],
    ] as const) {
      const wrong = await lotrc('logs', 'to-parquet', GLUE, '-o', out, option, value);
      expect(wrong.code).toBe(2);
      expect(wrong.err).toContain(said);
    }
  });

  test('refuses an index of columns that are not there', async () => {
    const near = await lotrc('logs', 'to-parquet', GLUE, '-o', out, '--index', 'rank,stp');
    expect(near).toMatchObject({ code: 1, out: '' });
    expect(near.err).toMatch(/^error LOTR5204: .*"stp".*\n.*did you mean "step"\?/);
    const long = ['--layout', 'long', '--index', 'tag,step', '--categories'];
    expect((await lotrc('logs', 'to-parquet', GLUE, '-o', out, ...long)).code).toBe(0);
    const rows = await rowsOf(out);
    expect(rows.map(({ tag }) => tag)).toEqual(rows.map(({ tag }) => tag).sort());
  });

  test('never writes over an event file', async () => {
    const copy = join(folder, 'events.out.tfevents.1');
    cpSync(LOTR, copy);
    const done = await lotrc('logs', 'to-parquet', copy, '-o', copy);
    expect(done.err).toContain('LOTR1202');
    expect(readFileSync(copy)).toEqual(readFileSync(LOTR));
  });
});

test('lotrc logs show lists runs with the settings in which they differ, and their last values', async () => {
  const {
    code,
    out: text,
    err,
  } = await lotrc('logs', 'show', GLUE, '--names', 'model,method,task,lr,rank,seed');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const [head, ...lines] = text.split('\n');
  // model and task are the same
  expect(head).toMatch(/^run +lr +rank +seed +schedule +method +step +train\/loss$/);
  expect(lines[0]).toContain('lora');
  expect(lines[2]).toBe('2 runs');
  const { runs } = JSON.parse((await lotrc('logs', 'show', GLUE, '--json')).out) as {
    runs: { step: number }[];
  };
  expect(runs.map(({ step }) => step)).toEqual([3, 16]);
});
