import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Progress } from '../../cli/progress.js';
import { FileSource } from '../../src/ir/files/file-source.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { MemoryTensor } from '../../src/ir/tensor.js';
import { characterVocabulary } from '../../src/train/data/characters.js';
import { renderChat } from '../../src/train/data/chat.js';
import { ChatTemplate } from '../../src/train/data/chat-template.js';
import { tokenizeText } from '../../src/train/data/language.js';
import { MAX_RECORD } from '../../src/train/data/lines.js';
import { openData } from '../../src/train/data/open.js';
import type { DataOptions, OpenedData } from '../../src/train/data/read-data.js';
import { packed, type Sequence } from '../../src/train/data/sequences.js';
import { paced, type ReadProgress, Source, type Watch } from '../../src/train/data/source.js';
import { tensorDataset } from '../../src/train/data/tensors.js';
import type { Tokenizer } from '../../src/train/data/tokenizer.js';
import { readSignature } from '../../src/train/read-signature.js';
import { records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';
import { READING, refused, writeJsonl } from '../support/reading.js';

/** Where the bytes of data files come from, and how much of them there may be. */

const root = mkdtempSync(join(tmpdir(), 'lotrc-sources-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const letters = characterVocabulary({ chars: ' abcdefghijklmnopqrstuvwxyz' }) as Tokenizer;
const NAMES = ['fish', 'bird', 'newt'];
let net: TextClassifier;
beforeAll(async () => {
  net = await textClassifier(at('net'));
});

const open = (data: string, more: Partial<DataOptions> = {}, watch?: Watch): Promise<OpenedData> =>
  openData(
    data,
    readSignature(net.train),
    { ...READING, tokenizer: net.tokenizer, ...more },
    null,
    undefined,
    watch,
  );

function file(name: string, text: string): string {
  writeFileSync(at(name), text);
  return at(name);
}

/** Rows of a data set as numbers. */
const rowsOf = ({ dataset }: OpenedData) =>
  Array.from({ length: dataset.size }, (_, i) => {
    const { columns, labels } = dataset.batch([i]);
    return [[...columns.get('input_ids')!.data], [...labels.data]];
  });

describe('the event loop', () => {
  test('has its turn between items that take long', async () => {
    let turns = 0;
    const seen: number[] = [];
    for await (const item of paced([1, 2, 3])) {
      seen.push(turns);
      setImmediate(() => turns++);
      const until = performance.now() + 60;
      while (performance.now() < until);
      expect(item).toBe(seen.length);
    }
    expect(seen).toEqual([0, 1, 2]);
  });

  test('goes on while a pipe gives nothing, and rows are told as they come', async () => {
    const data = at('slow.jsonl');
    execFileSync('mkfifo', [data]);
    const told: ReadProgress[] = [];
    const opened = open(data, {}, (progress) => told.push(progress));
    const writer = await openFile(data, 'w');
    const lines = records(5, NAMES).map((row) => `${JSON.stringify(row)}\n`);
    for (const [i, line] of lines.entries()) {
      await writer.write(line.slice(0, 9));
      await writer.write(line.slice(9));
      // each is waited for: a line that came after a pause is told before the next
      if (i === 0) continue;
      await new Promise((done) => setTimeout(done, 60));
    }
    await writer.close();
    const plain = await open(writeJsonl(at('plain.jsonl'), records(5, NAMES)));
    const piped = await opened;
    expect(rowsOf(piped)).toEqual(rowsOf(plain));
    expect(piped.data.sha256).toBe(plain.data.sha256);
    expect(plain.data.sha256).toBe(
      createHash('sha256')
        .update(readFileSync(at('plain.jsonl')))
        .digest('hex'),
    );
    expect(told.length).toBeGreaterThan(1);
    expect(told.at(-1)).toEqual({
      file: data,
      bytes: lines.join('').length,
      size: null,
      rows: 5,
      done: true,
    });
    for (const [i, { rows, done }] of told.entries()) {
      expect(done).toBe(i === told.length - 1);
      expect(rows).toBeGreaterThanOrEqual(told[i - 1]?.rows ?? 0);
    }
  });
});

describe('progress', () => {
  const progress: ReadProgress = { file: '/x/a.csv', bytes: 12e6, size: 6e8, rows: 4567, done: false };
  const shown = (terminal: boolean) => {
    let text = '';
    const io = { out: () => {}, err: (more: string) => void (text += more) };
    const line = new Progress(io, terminal);
    line.read(progress);
    line.read({ ...progress, size: null, rows: 1 });
    line.read({ ...progress, done: true });
    line.end();
    return text;
  };
  test('of reading is shown on a terminal until the file is read', () => {
    expect(shown(true)).toBe(
      '\r\x1b[Kreading a.csv: 4,567 rows, 12.0 of 600.0 MB\r\x1b[Kreading a.csv: 1 row, 12.0 MB\r\x1b[K',
    );
  });
  test('is not told at once where there is no terminal', () => {
    expect(shown(false)).toBe('');
  });
});

describe('budgets', () => {
  const long = 'a '.repeat(MAX_RECORD / 2);
  test.each([
    ['line.jsonl', `{"text":"a","label":"fish"}\n{"text":"${long}`, /divide the text/, 'line 2'],
    ['whole.jsonl', `{"text":"${long}","label":"fish"}\n`, /divide the text/, 'line 1'],
    ['field.csv', `text,label\na,fish\n${long}b,fish\n`, /--quote none/, 'line 3'],
    ['unclosed.csv', `text,label\na,fish\n"b,fish\n${'c,bird\n'.repeat(MAX_RECORD / 7)}`, /--quote none/, ''],
    ['field.tsv', `text\tlabel\na\tfish\n${long}b\tfish\n`, /several records/, 'line 3'],
  ])('%s: LOTR8204 for a record of more than 8 MiB', async (name, text, hint, line) => {
    const found = await refused(open(file(name, text), { badLines: 'skip' }));
    expect(found.code).toBe('LOTR8204');
    expect(found.message).toMatch(/^line \d+ is longer than 8388608 bytes$/);
    expect(found.message).toContain(line);
    expect(found.hint).toMatch(hint);
    expect(found.at).toEqual({ kind: 'file', file: at(name) });
  });
  test('a record just below is read', async () => {
    const text = `{"text":"${'z'.repeat(MAX_RECORD - 30)}","label":"fish"}`;
    const { dataset } = await open(file('most.jsonl', `${text}\n`), { maxLength: 999_999_999 });
    expect(Array.from(dataset.lengths!)).toEqual([MAX_RECORD - 30]);
  });
  test('plain text without line ends', async () => {
    const source = new Source(file('book.txt', long + long));
    await expect(tokenizeText(source, letters)).rejects.toThrow(
      /LOTR8204: line 1 is longer than 8388608 bytes/,
    );
  });
  test('a device that never ends', async () => {
    const found = await refused(
      openData('/dev/zero', shiftless(), { ...READING, tokenizer: net.tokenizer }, null),
    );
    expect(found.message).toMatch(/plain text, and the model does not predict tokens/);
    await expect(tokenizeText(new Source('/dev/zero'), letters)).rejects.toThrow(
      'LOTR8204: line 1 is longer',
    );
  });
  const shiftless = () => readSignature(net.train);

  test.skipIf(!EVERYTHING)('80,000 labels for a model of three classes', async () => {
    const rows = Array.from({ length: 80_000 }, (_, i) => `a,name ${i}`);
    const data = file('many.csv', `text,label\n${rows.join('\n')}\n`);
    const { code, err } = await lotrc(
      'train',
      net.train,
      '--data',
      data,
      '--tokenizer',
      net.tokenizer,
      '-o',
      at('r'),
    );
    expect(code).toBe(1);
    expect(err).toMatch(/error LOTR8217: the labels need 80000 classes and the model has 3/);
    expect(err.length).toBeLessThan(2000);
  });

  test('labels and columns that are long or many are shown in part', async () => {
    const long = writeJsonl(at('long.jsonl'), [{ text: 'a', label: ['x'.repeat(5000)] }]);
    expect((await refused(open(long))).message).toMatch(/^the label \["x{98}\.\.\. is not a text/);
    const columns = Array.from({ length: 5000 }, (_, i) => `c${i}`).join();
    const { hint } = await refused(open(file('wide.csv', `${columns}\n${columns}\n`)));
    expect(hint).toMatch(/^its columns are c0, c1, .*, c19, \.\.\.; /);
    expect(hint!.length).toBeLessThan(500);
  });

  test('a conversation of very many answers', () => {
    const each = '{% for message in messages %}{{ message.content }}{% endfor %}';
    const template = new ChatTemplate(`${each}{% if add_generation_prompt %}>{% endif %}`, {}, 'x');
    const messages = Array.from({ length: 12_000 }, (_, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: i % 2 ? '>a' : 'b',
    }));
    expect(renderChat(template, messages, 'answers', {})).toEqual({
      why: '6000 answers in a text of 18000 characters take too long',
    });
    expect(renderChat(template, messages, 'last', {})).toMatchObject({ spans: [[17_999, 18_000]] });
  });

  test('packing rows of almost unlimited length', () => {
    const row = (length: number): Sequence => ({
      ids: new Int32Array(length).fill(length),
      labels: new Int32Array(length),
      types: null,
      full: length,
    });
    expect(packed([row(3), row(5)], 999_999_999).map(({ ids }) => [...ids])).toEqual([
      [3, 3, 3, 5, 5, 5, 5, 5],
    ]);
    // 7 | 5 2 | 4 3 | 4 1: the longest first, each into the fullest row that has room
    const lengths = [4, 7, 1, 3, 5, 4, 2];
    expect(packed(lengths.map(row), 7).map(({ ids }) => [...new Set(ids)])).toEqual([
      [4, 3],
      [7],
      [1, 4],
      [5, 2],
    ]);
  });
});

describe('files that are not as others', () => {
  test.skipIf(process.platform === 'win32')('a device that a run folder names is not read', async () => {
    const named = new Source('/dev/zero', undefined, true);
    await expect(named.contents()).rejects.toThrow(/LOTR8204.*not a regular file/s);
  });

  test.each(['csv', 'tsv', 'jsonl', 'txt'])('an empty .%s', async (extension) => {
    const found = await refused(open(file(`empty.${extension}`, '')));
    expect(found.code).toBe('LOTR8204');
  });
  test('an empty text', async () => {
    expect(await tokenizeText(new Source(file('none.txt', '')), letters)).toHaveLength(0);
  });
  test('a folder, and a file that is not there', async () => {
    for (const path of [root, at('absent.csv'), at('absent.jsonl')]) {
      await expect(new Source(path).contents()).rejects.toThrow(
        /LOTR8204: it cannot be read: E(ISDIR|NOENT)/,
      );
    }
    expect(await refused(open(at('absent.csv')))).toMatchObject({ code: 'LOTR8204' });
  });
  test('LOTR1006 a file that grows or is cut while it is read', async () => {
    const data = writeJsonl(at('grows.jsonl'), records(9, NAMES));
    const read = async (change: (chunk: Uint8Array) => void) => {
      for await (const chunk of new Source(data).chunks()) change(chunk);
    };
    await expect(read((chunk) => appendFileSync(data, chunk))).rejects.toThrow('LOTR1006');
    await expect(read(() => writeFileSync(data, 'x'))).rejects.toThrow('LOTR1006');
  });
  test('the file is closed where reading ends early', async () => {
    const data = file('early.csv', `text,label\n${'a,fish\n'.repeat(200_000)}`);
    for (let i = 0; i < 3; i++)
      expect(await refused(open(data, { task: 'chat' }))).toMatchObject({ code: 'LOTR8220' });
    const held = execFileSync('ls', ['-l', `/proc/${process.pid}/fd`], { encoding: 'utf8' });
    expect(held).not.toContain('early.csv');
  });
  test('ready tensors of types other than numbers, and numbers beyond 32 bits', async () => {
    const task = { label: null, loss: 'cross-entropy', values: false, classes: 2, ignored: -100 } as const;
    const path = at('odd.safetensors');
    writeSafetensors(path, new Map([['x', new MemoryTensor('c64', [2], new Uint8Array(16))]]));
    await expect(tensorDataset(new FileSource(path), task)).rejects.toThrow(
      'LOTR8204: tensor "x" is c64, not numbers',
    );
    const large = new Uint8Array(BigInt64Array.of(1n, 2n ** 31n).buffer);
    writeSafetensors(path, new Map([['x', new MemoryTensor('i64', [2], large)]]));
    await expect(tensorDataset(new FileSource(path), task)).rejects.toThrow(
      'has the number 2147483648, beyond 32 bits',
    );
    const floats = Float32Array.from({ length: 600_001 }, (_, i) => i / 7);
    writeSafetensors(
      path,
      new Map([['x', new MemoryTensor('f32', [600_001, 1], new Uint8Array(floats.buffer))]]),
    );
    const { columns } = (await tensorDataset(new FileSource(path), task)).batch([0, 600_000, 299_999]);
    expect([...columns.get('x')!.data]).toEqual([0, floats[600_000], floats[299_999]]);
  });
});
