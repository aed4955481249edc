import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderChat } from '../../src/train/data/chat.js';
import { ChatTemplate } from '../../src/train/data/chat-template.js';
import { openData } from '../../src/train/data/open.js';
import type { DataOptions, OpenedData } from '../../src/train/data/read-data.js';
import { packed, type Sequence } from '../../src/train/data/sequences.js';
import { readSignature } from '../../src/train/read-signature.js';
import { done } from '../support/classifier.js';
import { READING, refused, writeJsonl } from '../support/reading.js';

/** Data for models that predict every token. Expected rows and losses are those of Hugging Face's libraries and PyTorch. */

const HERE = join(import.meta.dirname, '../data/language');
const root = mkdtempSync(join(tmpdir(), 'lotrc-language-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Row {
  readonly ids: readonly number[];
  readonly labels: readonly number[];
}
type Kind = 'text' | 'prompt' | 'chat';
const { rows, losses } = JSON.parse(readFileSync(join(HERE, 'expected.json'), 'utf8')) as {
  readonly rows: Readonly<Record<Kind | 'tags', readonly (Row & Readonly<Record<string, unknown>>)[]>> & {
    readonly marked: readonly (Row & { readonly messages: object[]; readonly rendered: string })[];
    readonly packed: Row & { readonly positions: readonly number[] };
  };
  readonly losses: Readonly<Record<Kind, number>>;
};

/** Training directories of one language model: labels shifted in the graph, and not. */
const folders: Record<'shifted' | 'plain', string> = { shifted: '', plain: '' };
beforeAll(async () => {
  const model = join(root, 'model.onnx');
  cpSync(join(import.meta.dirname, '../data/cases/train/tied.ts.onnx'), model);
  await done('rewrite', model, '--rank', '2');
  for (const [name, more] of [
    ['shifted', ['--shift']],
    ['plain', []],
  ] as const) {
    folders[name] = join(root, name);
    await done('emit', 'onnx-train', join(root, 'model.lotr.onnx'), '-o', folders[name], ...more);
  }
}, 60_000);

const jsonl = (name: string, records: readonly object[]) => writeJsonl(join(root, name), records);

const tokenizer = join(HERE, 'tokenizer.json');
const open = (data: string, more: Partial<DataOptions> = {}, folder = folders.shifted): Promise<OpenedData> =>
  openData(data, readSignature(folder), { ...READING, tokenizer, maxLength: 64, ...more }, null);

/** The rows of a data set, each alone: ids and labels at the positions of their tokens. */
const rowsOf = ({ dataset }: OpenedData): Row[] =>
  Array.from({ length: dataset.size }, (_, i) => {
    const { columns, labels } = dataset.batch([i]);
    return { ids: [...columns.get('input_ids')!.data], labels: [...labels.data] };
  });
const wanted = (list: readonly Row[]) => list.map(({ ids, labels }) => ({ ids, labels }));

describe.each(['text', 'prompt', 'chat'] as const)('%s', (kind) => {
  test('rows and labels are those of Hugging Face', async () => {
    const opened = await open(jsonl(`${kind}.jsonl`, rows[kind]));
    expect(opened.notes).toEqual([]);
    expect(rowsOf(opened)).toEqual(wanted(rows[kind]));
    const plain = await open(join(root, `${kind}.jsonl`), {}, folders.plain);
    expect(rowsOf(plain).map(({ labels }) => labels)).toEqual(
      rows[kind].map(({ labels }) => [...labels.slice(1), -100]),
    );
  });
  test('the loss is that of PyTorch', async () => {
    const data = jsonl(`${kind}.jsonl`, rows[kind]);
    const folder = kind === 'prompt' ? folders.plain : folders.shifted;
    const text = await done('eval', folder, '--data', data, '--tokenizer', tokenizer, '--json');
    expect((JSON.parse(text) as { loss: number }).loss).toBeCloseTo(losses[kind], 5);
  });
});

describe('starts and ends', () => {
  const ids = async (more: Partial<DataOptions>) =>
    rowsOf(await open(jsonl('one.jsonl', [{ text: 'yes' }]), more))[0]!.ids;
  test('--bos and --eos', async () => {
    const [start, ...rest] = rows.text[2]!.ids;
    expect(await ids({ bos: 'none' })).toEqual(rest);
    expect(await ids({ eos: 'none' })).toEqual([start, ...rest.slice(0, -1)]);
    expect(await ids({ bos: '<|user|>', eos: '<|end|>' })).toEqual([3, start, ...rest.slice(0, -1), 5]);
    expect(await refused(ids({ eos: 'very' }))).toMatchObject({
      code: 'LOTR8209',
      message: expect.stringMatching(/"very" is \d tokens/) as string,
    });
  });
  test('LOTR8225 no token that ends examples', async () => {
    const alone = join(root, 'alone');
    mkdirSync(alone, { recursive: true });
    cpSync(tokenizer, join(alone, 'tokenizer.json'));
    const more = { tokenizer: join(alone, 'tokenizer.json') };
    const data = jsonl('one.jsonl', [{ text: 'yes' }]);
    expect((await open(data, more)).notes.map(({ code }) => code)).toEqual(['LOTR8225']);
    expect((await open(data, { ...more, eos: 'none' })).notes).toEqual([]);
    const chat = jsonl('chat.jsonl', rows.chat);
    expect(await refused(open(chat, more))).toMatchObject({ code: 'LOTR8228', message: /no|none/ });
  });
  test('LOTR8227 prompts that fill the row', async () => {
    const { dataset, notes } = await open(jsonl('prompt.jsonl', rows.prompt), { maxLength: 9 });
    expect(dataset.size).toBe(1);
    expect(notes.map(({ code }) => code)).toEqual(['LOTR8207', 'LOTR8227']);
  });
});

describe('packing', () => {
  test('examples end to end: ids, labels and positions are those of DataCollatorWithFlattening', async () => {
    const { dataset } = await open(jsonl('text.jsonl', rows.text), { pack: true });
    expect(dataset.size).toBe(1);
    const { columns, labels } = dataset.batch([0]);
    expect([...columns.get('input_ids')!.data]).toEqual(rows.packed.ids);
    expect([...labels.data]).toEqual(rows.packed.labels);
    expect([...columns.get('position_ids')!.data]).toEqual(rows.packed.positions);
  });
  test('every token that follows another is predicted once, whatever the length of a row', async () => {
    const pairs = (list: readonly (readonly number[])[]) =>
      list.flatMap((ids) => ids.slice(1).map((id, i) => `${ids[i]} ${id}`)).sort();
    for (const maxLength of [3, 5, 9, 12, 30]) {
      const opened = await open(jsonl('text.jsonl', rows.text), { pack: true, maxLength });
      const found = rowsOf(opened).flatMap(({ ids, labels }) => {
        expect(ids.length).toBeLessThanOrEqual(maxLength);
        return labels.flatMap((label, i) => (label === -100 ? [] : [`${ids[i - 1]} ${label}`]));
      });
      expect(found.sort()).toEqual(pairs(rows.text.map(({ ids }) => ids)));
      expect(opened.notes).toEqual([]);
    }
  });
  test('no example is divided, and rows are filled as far as they go', () => {
    const lengths = [5, 2, 7, 3, 3, 6, 1, 4, 10];
    const made = lengths.map((length, i): Sequence => {
      const ids = new Int32Array(length).fill(i);
      return { ids, labels: ids, types: null, full: length };
    });
    const bins = packed(made, 10).map(({ ids }) => [...new Set(ids)]);
    expect(bins.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    const filled = bins.map((bin) => bin.reduce((sum, i) => sum + lengths[i]!, 0));
    expect(filled.sort()).toEqual([1, 10, 10, 10, 10]);
  });
});

describe('chat templates', () => {
  test('what {% generation %} marks is what transformers masks in', () => {
    const template = new ChatTemplate(
      readFileSync(join(HERE, 'marked.jinja'), 'utf8'),
      { bos_token: '<s>' },
      '',
    );
    for (const { messages, rendered } of rows.marked)
      expect(template.render(messages as never, false).text).toBe(rendered);
  });
  test('chat_template.jinja goes before tokenizer_config.json', async () => {
    const folder = join(root, 'marked');
    mkdirSync(folder, { recursive: true });
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      cpSync(join(HERE, name), join(folder, name));
    cpSync(join(HERE, 'marked.jinja'), join(folder, 'chat_template.jinja'));
    const more = { tokenizer: join(folder, 'tokenizer.json') };
    const opened = await open(jsonl('marked.jsonl', rows.marked), more);
    expect(rowsOf(opened)).toEqual(wanted(rows.marked));
    expect(opened.files).toHaveLength(2);
  });
  const [messages] = rows.chat.map((row) => row.messages as { role: string; content: string }[]);
  const plain =
    '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}';
  const spansOf = (source: string, loss: 'answers' | 'last' | 'all') => {
    const made = renderChat(new ChatTemplate(source, {}, ''), messages!, loss, {});
    return 'why' in made ? made.why : made.spans.map(([start, end]) => made.text.slice(start, end));
  };
  test('--loss-on: all answers, the last one, or the whole text', () => {
    expect(spansOf(plain, 'answers')).toEqual(['yes, very deep', 'a cod']);
    expect(spansOf(plain, 'last')).toEqual(['a cod']);
    expect(spansOf(plain, 'all')).toEqual([
      '[user]is the sea deep?[assistant]yes, very deep[user]what is a fish?[assistant]a cod',
    ]);
  });
  test('a template that writes earlier answers differently is refused, but for the last one', () => {
    const last = plain.replace(
      '{{ m.content }}',
      "{{ m.content if loop.last or m.role == 'user' else '...' }}",
    );
    expect(spansOf(last, 'answers')).toMatch(/writes message 2 differently/);
    expect(spansOf(last, 'last')).toEqual(['a cod']);
    const other = plain.replace('}[assistant]{', '}[bot]{');
    expect(spansOf(other, 'last')).toMatch(/does not write message 4 after its generation prompt/);
  });
  test('what templates raise, and that they do not see the date', () => {
    expect(spansOf("{{ raise_exception('roles must alternate') }}", 'all')).toMatch(/roles must alternate/);
    expect(spansOf("{{ strftime_now('%Y') if strftime_now is defined else 'no date' }}", 'all')).toEqual([
      'no date',
    ]);
    expect(spansOf('{% for i in range(2, 9, 3) %}{{ i }}{% endfor %}', 'all')).toEqual(['258']);
    expect(spansOf('a\r\nb', 'all')).toEqual(['a\nb']);
  });
  test('LOTR8228 a template that does not end, or asks for very many numbers', () => {
    const loop = '{% for i in range(999999) %}{% for j in range(999999) %}{{ i }}{% endfor %}{% endfor %}';
    expect(() => new ChatTemplate(loop, {}, 'x').render([], false)).toThrow(
      /LOTR8228: .*longer than 2 seconds/,
    );
    const many = new ChatTemplate('{{ range(99999999999) }}', {}, 'x');
    expect(() => many.render([], false)).toThrow('at most 1000000 are possible');
  });

  test('LOTR8228 a template that cannot be read', () => {
    expect(() => new ChatTemplate('{% for %}', {}, 'x')).toThrow(/LOTR8228/);
  });
  test('a prompt and a completion as messages', async () => {
    const [asked, answered] = [messages!.slice(0, 3), messages!.slice(3)];
    const opened = await open(jsonl('lists.jsonl', [{ prompt: asked, completion: answered }]));
    const { ids, labels } = rows.chat[0]!;
    const last = labels.lastIndexOf(-100);
    expect(rowsOf(opened)).toEqual([{ ids, labels: labels.map((label, i) => (i > last ? label : -100)) }]);
  });
});

describe('tags', () => {
  test('tags are at the first tokens of words, as word_ids says; --subwords all at every token', async () => {
    const data = jsonl('tags.jsonl', rows.tags);
    const opened = await open(data, {}, folders.plain);
    expect(opened.labels).toEqual({ kind: 'names', names: ['B', 'I', 'O'], order: 'data' });
    expect(rowsOf(opened)).toEqual(wanted(rows.tags));
    const every = await open(data, { subwords: 'all' }, folders.plain);
    expect(rowsOf(every).map(({ labels }) => labels)).toEqual(rows.tags.map((row) => row.every));
    const cut = await open(data, { maxLength: 4 }, folders.plain);
    expect(rowsOf(cut).map(({ labels }) => labels)).toEqual(
      rows.tags.map(({ labels }) => labels.slice(0, 4)),
    );
  });
  test('accuracy, not perplexity', async () => {
    const data = jsonl('tags.jsonl', rows.tags);
    const text = await done('eval', folders.plain, '--data', data, '--tokenizer', tokenizer, '--json');
    expect(JSON.parse(text)).toMatchObject({
      count: 9,
      perplexity: null,
      accuracy: expect.any(Number) as number,
    });
  });
  test('what cannot be used', async () => {
    const tags = (row: object) => refused(open(jsonl('bad.jsonl', [row]), { task: 'tags' }, folders.plain));
    expect(await tags({ tokens: ['a'], tags: ['B', 'O'] })).toMatchObject({
      message: 'it has 1 words and 2 tags',
    });
    expect(await tags({ tokens: 'a', tags: ['B'] })).toMatchObject({
      message: '"tokens" is not a list of words',
    });
    const shifted = refused(open(jsonl('tags.jsonl', rows.tags), {}, folders.shifted));
    expect(await shifted).toMatchObject({
      code: 'LOTR8204',
      hint: expect.stringMatching(/without --shift/) as string,
    });
    const empty = jsonl('empty.jsonl', [{ tokens: ['a', ''], tags: ['B', 'O'] }]);
    expect((await open(empty, {}, folders.plain)).notes.map(({ code }) => code)).toEqual(['LOTR8229']);
  });
});
