import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openData } from '../../src/train/data/open.js';
import { openOnDisk } from '../../src/train/data/parquet/node-file.js';
import { parquetRows } from '../../src/train/data/parquet/rows.js';
import { Source } from '../../src/train/data/source.js';
import { readSignature } from '../../src/train/read-signature.js';
import { type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { READING, refused, writeJsonl } from '../support/reading.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-parquet-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);

type Options = Omit<Parameters<typeof parquetWriteBuffer>[0], 'columnData'>;

function file(name: string, columnData: ColumnSource[], options: Options = {}): string {
  writeFileSync(at(name), new Uint8Array(parquetWriteBuffer({ columnData, ...options })));
  return at(name);
}

async function all(path: string, wanted: readonly string[]) {
  const source = new Source(path);
  const { columns, rows } = await parquetRows(source, new Set(wanted));
  const found = [];
  for await (const row of rows) found.push(row);
  return { columns, found };
}

const TEXTS = Array.from(
  { length: 2500 },
  (_, i) => ['fish swim', 'birds fly', 'newts do', 'a fish'][i % 4]!,
);
const LABELS = TEXTS.map((_, i) => ['fish', 'bird', 'newt', 'fish'][i % 4]!);

describe('rows', () => {
  test('of several groups come in order, of the columns that are wanted, as JSON has them', async () => {
    const numbers = TEXTS.map((_, i) => BigInt(i));
    const path = file(
      'groups.parquet',
      [
        { name: 'text', type: 'STRING', data: TEXTS },
        { name: 'unread', type: 'DOUBLE', data: TEXTS.map((_, i) => i / 3) },
        { name: 'label', type: 'INT64', data: numbers.with(7, 2n ** 60n), nullable: true },
      ],
      { rowGroupSize: 1100 },
    );
    const { columns, found } = await all(path, ['text', 'label', 'pair']);
    expect(columns).toEqual(['text', 'unread', 'label']);
    expect(found.map(({ line }) => line)).toEqual(TEXTS.map((_, i) => i + 1));
    expect(found[2201]).toEqual({ line: 2202, value: { text: TEXTS[2201], label: 2201 } });
    expect(found[7]!.value.label).toBe(String(2n ** 60n));
  });

  test('with lists, objects, null and pages compressed with gzip', async () => {
    const tokens = [['a', 'b'], [], ['c']];
    const messages = tokens.map((words) => words.map((content) => ({ role: 'user', content })));
    const path = file(
      'nested.parquet',
      [
        { name: 'tokens', data: tokens, auto: true } as unknown as ColumnSource,
        { name: 'messages', data: messages, auto: true } as unknown as ColumnSource,
        { name: 'label', type: 'STRING', data: ['x', null, 'z'], nullable: true },
      ],
      { codec: 'GZIP', compressors: { GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)) } },
    );
    const { found } = await all(path, ['tokens', 'messages', 'label']);
    expect(found.map(({ value }) => value)).toEqual(
      tokens.map((words, i) => ({ tokens: words, messages: messages[i], label: ['x', null, 'z'][i] })),
    );
  });
});

test('lists of the form that data sets are published in', async () => {
  const optional = { repetition_type: 'OPTIONAL' } as const;
  const path = file('lists.parquet', [{ name: 'tokens', data: [['a', 'b'], [], ['c']] }], {
    schema: [
      { name: 'root', num_children: 1 },
      { name: 'tokens', ...optional, num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' },
    ],
  });
  const { found } = await all(path, ['tokens']);
  expect(found.map(({ value }) => value.tokens)).toEqual([['a', 'b'], [], ['c']]);
});

describe('a data set', () => {
  let net: TextClassifier;
  beforeAll(async () => {
    net = await textClassifier(at('net'));
  }, 120_000);
  const open = (path: string) =>
    openData(path, readSignature(net.train), { ...READING, tokenizer: net.tokenizer }, null);

  const reason = async (path: string) => JSON.stringify(await refused(open(path)));

  test('is that of the same records as JSON Lines, for the user too', { timeout: 300_000 }, async () => {
    const texts = TEXTS.slice(0, 40);
    const records = texts.map((text, i) => ({ text, label: LABELS[i]! }));
    const lines = at('same.jsonl');
    writeJsonl(lines, records);
    const path = file('same.parquet', [
      { name: 'text', type: 'STRING', data: texts },
      { name: 'label', type: 'STRING', data: records.map(({ label }) => label) },
    ]);
    const evaluated = async (data: string) => {
      const { out, code, err } = await lotrc(
        'eval',
        net.train,
        '--data',
        data,
        '--tokenizer',
        net.tokenizer,
        '--json',
      );
      expect(code, err).toBe(0);
      return JSON.parse(out) as object;
    };
    expect(await evaluated(path)).toEqual(await evaluated(lines));
    expect((await open(path)).data.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('with a column that is missing, or a null, is refused with the place', async () => {
    const column: ColumnSource = { name: 'text', type: 'STRING', data: ['a fish'] };
    expect(await reason(file('short.parquet', [column]))).toMatch(/LOTR8204.*no column \\"label\\"/s);
    const empty = file('null.parquet', [
      { name: 'text', type: 'STRING', data: ['a fish', null], nullable: true },
      { name: 'label', type: 'STRING', data: ['fish', 'bird'] },
    ]);
    expect(await reason(empty)).toMatch(/LOTR8205.*\\"text\\" is not a text.*"line":2/s);
  });

  test('that is damaged is refused', async () => {
    const bytes = new Uint8Array(
      parquetWriteBuffer({ columnData: [{ name: 'text', type: 'STRING', data: ['a fish'] }] }),
    );
    const damaged: readonly (readonly [string, Uint8Array])[] = [
      ['cut', bytes.subarray(0, bytes.length - 5)],
      ['short', bytes.subarray(0, 9)],
      ['zeros', bytes.map((byte, i) => (i > 3 && i < bytes.length - 8 ? 0 : byte))],
      ['text', Buffer.from('text,label\na,b\nsomething else\n')],
    ];
    for (const [name, content] of damaged) {
      writeFileSync(at(`${name}.parquet`), content);
      expect(await reason(at(`${name}.parquet`)), name).toMatch(/LOTR8204.*Parquet/s);
    }
    await expect(openOnDisk(at('short.parquet'))).rejects.toThrow('it is too short');
    expect(await reason(at('none.parquet'))).toMatch(/LOTR8204.*cannot be read/s);
  });
});
