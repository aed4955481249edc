import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import type { Signature } from '../../src/train/signature.js';
import { CHARACTERS, done, records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { allOrFirst, EVERYTHING } from '../support/everything.js';
import { writeJsonl } from '../support/reading.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-train-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const NAMES = ['fish', 'bird', 'newt'];
const DATA = records(50, NAMES);
let net: TextClassifier;
let serial = 0;
const fresh = () => join(root, `run${serial++}`);

function file(name: string, text: string): string {
  const path = join(root, name);
  writeFileSync(path, text);
  return path;
}
const jsonl = (name: string, rows: readonly object[]) => writeJsonl(join(root, name), rows);

const WORDS = ['--batch-size', '8', '--epochs', '4', '--lr', '0.1', '--eval-split', '0.2', '--seed', '3'];
const train = (data: string, output: string, ...more: readonly string[]) =>
  lotrc('train', net.train, '--data', data, '--tokenizer', net.tokenizer, '-o', output, ...WORDS, ...more);

beforeAll(async () => {
  net = await textClassifier(join(root, 'net'));
}, 60_000);

describe('lotrc train', () => {
  test('JSON Lines: learns to tell texts apart; the adapter goes onto the base; eval finds what training found', async () => {
    const output = fresh();
    const { code, out, err } = await train(jsonl('a.jsonl', DATA), output, '--json');
    expect(code).toBe(0);
    const result = JSON.parse(out) as { steps: number; best: { loss: number }; adapter: string };
    expect(result.steps).toBe(20);
    const first = Number(/step 0: evaluation loss ([\d.]+)/.exec(err)?.[1]);
    expect(result.best.loss).toBeLessThan(first / 3);
    expect(err).toMatch(/40 examples, 10 for evaluation; 5 steps an epoch, 20 in all/);
    const evaluated = JSON.parse(
      await done(
        'eval',
        net.train,
        '--run',
        output,
        '--data',
        join(root, 'a.jsonl'),
        '--tokenizer',
        net.tokenizer,
        '--json',
      ),
    ) as { loss: number; accuracy: number; examples: number };
    expect(evaluated.examples).toBe(50);
    expect(evaluated.accuracy).toBeGreaterThanOrEqual(0.85);
    await done('apply', net.model, result.adapter, '-o', join(root, 'adapted.onnx'));
    const settings = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8')) as { labels: object };
    expect(settings.labels).toEqual({ kind: 'names', names: ['bird', 'fish', 'newt'], order: 'data' });
  });
  test('CSV, TSV and ready tensors with the same examples give the same bits as JSON Lines', async () => {
    const length = Math.max(...DATA.map(({ text }) => text.length));
    const csv = file(
      'a.csv',
      `label,text\n${DATA.map(({ text, label }) => `${label},"${text}"\n`).join('')}`,
    );
    const tsv = file(
      'a.tsv',
      `text\tlabel\n${DATA.map(({ text, label }) => `${text}\t${label}\n`).join('')}`,
    );
    const tensors = join(root, 'a.safetensors');
    const rows = DATA.map(({ text }) => [...text.padEnd(length)].map((char) => CHARACTERS.indexOf(char)));
    const mask = DATA.flatMap(({ text }) => Array.from({ length }, (_, k) => (k < text.length ? 1 : 0)));
    const labels = DATA.map(({ label }) => [...NAMES].sort().indexOf(label));
    writeSafetensors(
      tensors,
      new Map([
        ['input_ids', i64Tensor([50, length], rows.flat())],
        ['attention_mask', f32Tensor([50, length], mask)],
        ['labels', i64Tensor([50], labels)],
      ]),
    );
    const folders = [];
    for (const data of [jsonl('a.jsonl', DATA), csv, tsv, tensors]) {
      const output = fresh();
      // rows all of one length, as the tensors have them: padding changes sums by rounding only, not bits here
      const { code, err } = await train(
        data,
        output,
        '--pad-to',
        String(length),
        '--max-length',
        String(length),
        '--epochs',
        '1',
      );
      expect(err, data).not.toMatch(/error/);
      expect(code).toBe(0);
      folders.push(output);
    }
    const [first, ...others] = folders.map((folder) => readFileSync(join(folder, 'adapter.safetensors')));
    for (const other of others) expect(other.equals(first!)).toBe(true);
  });
  test.each([
    ['one batch a step', []],
    ['three batches a step', ['--accumulate', '3']],
    ['evaluations within an epoch', ['--eval-every', '4', '--warmup', '0.3', '--schedule', 'cosine']],
  ])(
    '%s: a run that goes on from its checkpoint has the bits of one that was not stopped',
    async (_name, more) => {
      const data = jsonl('a.jsonl', DATA);
      const [whole, parts] = [fresh(), fresh()];
      await train(data, whole, ...more);
      const total = (JSON.parse(readFileSync(join(whole, 'run.json'), 'utf8')) as { plan: object }).plan;
      expect(total).toBeDefined();
      // stopped by a signal after some steps, several times
      for (let round = 0; round < (EVERYTHING ? 4 : 2); round++) {
        const timer = setTimeout(() => process.emit('SIGINT'), 5 + 11 * round);
        await train(data, parts, '--checkpoint-every', '100', '--resume', ...more);
        clearTimeout(timer);
      }
      const { code } = await train(data, parts, '--resume', ...more);
      expect(code).toBe(0);
      for (const name of ['checkpoint.safetensors', 'best.safetensors', 'adapter.safetensors']) {
        expect(readFileSync(join(parts, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
      }
    },
  );
  test.each(allOrFirst(['float32', 'int8']))(
    'plain text: a language model learns from a novel, and resumes in mid-epoch with accumulation, %s',
    async (dtype) => {
      const base = join(root, `${dtype}.onnx`);
      cpSync(join(import.meta.dirname, '../data/cases/train/tied.ts.onnx'), base);
      await done('rewrite', base, '--rank', '4', '--init', 'fan-in', '--scale', '4');
      const graphs = join(root, dtype);
      await done(
        'emit',
        'onnx-train',
        join(root, `${dtype}.lotr.onnx`),
        '-o',
        graphs,
        '--shift',
        '--base-dtype',
        dtype,
      );
      const { baseProducts } = JSON.parse(readFileSync(join(graphs, 'signature.json'), 'utf8')) as Signature;
      // those that run again in the backward pass too: of a model this narrow all are cheap
      expect(baseProducts).toEqual(dtype === 'int8' ? { dtype, rounded: 23, float32: 0 } : undefined);
      const novel = join(import.meta.dirname, '../../models/charlm/moby-dick.val.txt');
      const text = readFileSync(novel, 'utf8')
        .toLowerCase()
        .replace(/[^a-z]+/g, ' ');
      const data = file('moby.txt', text.slice(20_000, 22_500));
      const held = file('moby.val.txt', text.slice(60_000, 60_500));
      const words = ['train', graphs, '--data', data, '--eval-data', held, '--max-length', '16'];
      words.push('--tokenizer', net.tokenizer, '--batch-size', '4', '--accumulate', '2');
      words.push('--max-steps', '9', '--lr', '0.04');
      const [whole, parts] = [fresh(), fresh()];
      const { code, out, err } = await lotrc(...words, '--eval-every', '4', '-o', whole, '--json');
      expect(code, err).toBe(0);
      const first = Number(/step 0: evaluation loss ([\d.]+), .*perplexity/.exec(err)?.[1]);
      expect((JSON.parse(out) as { best: { loss: number } }).best.loss).toBeLessThan(first - 0.03);
      // stopped after the checkpoint of step 4, of the 20 steps that an epoch has
      let asked = false;
      const watch = setInterval(() => {
        if (asked || !existsSync(join(parts, 'checkpoint.safetensors'))) return;
        asked = true;
        process.emit('SIGINT');
      }, 5);
      const stopped = await lotrc(...words, '--eval-every', '4', '-o', parts).finally(() =>
        clearInterval(watch),
      );
      expect(stopped.code).toBe(130);
      expect(stopped.err).toMatch(/interrupted after step \d+ of 9/);
      expect((await lotrc('train', graphs, '--resume', '-o', parts)).code).toBe(0);
      for (const name of ['checkpoint.safetensors', 'best.safetensors', 'adapter.safetensors']) {
        expect(readFileSync(join(parts, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
      }
    },
  );
  test('gradients of unequal batches weigh as one large batch', async () => {
    const data = jsonl('a.jsonl', DATA.slice(0, 23));
    const [once, split] = [fresh(), fresh()];
    const words = ['--eval-split', '0', '--max-steps', '6'];
    await train(data, once, ...words, '--batch-size', '23');
    await train(data, split, ...words, '--batch-size', '5', '--accumulate', '5');
    const [a, b] = [once, split].map(
      (folder) => readSafetensors(join(folder, 'adapter.safetensors')).tensors,
    );
    for (const [name, tensor] of a!) {
      const [x, y] = [tensor, b!.get(name)!].map((t) => new Float32Array(Uint8Array.from(t.bytes()).buffer));
      const scale = Math.max(...x!.map(Math.abs));
      for (const [i, value] of x!.entries()) expect(Math.abs(value - y![i]!)).toBeLessThan(2e-5 * scale);
    }
  });
});

describe('says what is wrong:', () => {
  const failing = async (
    code: string,
    words: Promise<{ code: number; err: string }>,
    ...texts: readonly RegExp[]
  ) => {
    const result = await words;
    expect(result.err).toContain(`error ${code}:`);
    for (const text of texts) expect(result.err).toMatch(text);
    expect(result.code).toBe(1);
  };
  test('LOTR8201 no training directory', () =>
    failing('LOTR8201', lotrc('train', root, '--data', 'x.txt'), /signature\.json/, /emit onnx-train/));
  test('LOTR8203 no data', () => failing('LOTR8203', lotrc('train', net.train, '-o', fresh()), /--data/));
  test('LOTR8204 a file that is not there, text for a classifier, no tokenizer, an empty file', async () => {
    await failing('LOTR8204', train(join(root, 'none.jsonl'), fresh()), /ENOENT/);
    await failing('LOTR8204', train(file('a.txt', 'some text'), fresh()), /does not predict tokens/);
    await failing(
      'LOTR8204',
      lotrc('train', net.train, '--data', jsonl('a.jsonl', DATA)),
      /needs a tokenizer/,
    );
    await failing('LOTR8204', train(file('empty.jsonl', '\n'), fresh()), /no record/);
    await failing(
      'LOTR8204',
      train(file('b.csv', 'words,label\nx,1\n'), fresh()),
      /no column "text"/,
      /words, label/,
    );
  });
  test('LOTR8205 and LOTR8206 bad lines stop, or are left out and listed', async () => {
    const text = `${JSON.stringify(DATA[0])}\n{"text": "abc"}\nnot json\n${JSON.stringify(DATA[1])}\n`;
    await failing(
      'LOTR8205',
      train(file('bad.jsonl', text), fresh()),
      /bad\.jsonl:2/,
      /no "label"/,
      /--bad-lines skip/,
    );
    const { code, err } = await train(
      join(root, 'bad.jsonl'),
      fresh(),
      '--bad-lines',
      'skip',
      '--eval-split',
      '0',
    );
    expect(code).toBe(0);
    expect(err).toContain('warning LOTR8206: 2 lines were left out');
    expect(err).toMatch(/line 3: it is not JSON/);
  });
  test('LOTR8207 texts that are cut', async () => {
    const { err } = await train(jsonl('a.jsonl', DATA), fresh(), '--max-length', '6');
    expect(err).toMatch(
      /warning LOTR8207: \d+ of 50 examples were truncated to 6 tokens; the longest has 15/,
    );
  });
  test('LOTR8208 an input that the data does not have', async () => {
    const tensors = join(root, 'no-mask.safetensors');
    const columns = [
      ['input_ids', i64Tensor([2, 3], [1, 2, 3, 4, 5, 6])],
      ['labels', i64Tensor([2], [0, 1])],
    ] as const;
    writeSafetensors(tensors, new Map(columns));
    await failing('LOTR8208', train(tensors, fresh(), '--eval-split', '0'), /"attention_mask"/, /--input/);
  });
  test('LOTR8209 a file that is not a tokenizer', () =>
    failing(
      'LOTR8209',
      lotrc('train', net.train, '--data', jsonl('a.jsonl', DATA), '--tokenizer', file('t.json', '{}')),
      /neither/,
    ));
  test('LOTR8210 and LOTR8211 a run that is there, or was started differently', async () => {
    const [output, data] = [fresh(), jsonl('a.jsonl', DATA)];
    await train(data, output, '--max-steps', '3');
    await failing('LOTR8210', train(data, output), /--resume/);
    await failing(
      'LOTR8211',
      lotrc('train', net.train, '-o', output, '--resume', '--lr', '7'),
      /peak was 0.1, now 7/,
    );
    writeFileSync(data, readFileSync(data, 'utf8').replace('bird', 'newt'));
    await failing('LOTR8211', lotrc('train', net.train, '-o', output, '--resume'), /data\.sha256/);
  });
  test('LOTR8211 --low-memory is kept with a run', async () => {
    const data = jsonl('a.jsonl', DATA);
    for (const low of [false, true]) {
      const output = fresh();
      await train(data, output, '--max-steps', '3', ...(low ? ['--low-memory'] : []));
      const resume = ['train', net.train, '-o', output, '--resume', '--max-steps', '4'];
      if (!low) await failing('LOTR8211', lotrc(...resume, '--low-memory'), /lowMemory was false, now true/);
      expect((await lotrc(...resume)).code).toBe(0);
      expect(JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'))).toMatchObject({ lowMemory: low });
    }
  });
  test('LOTR8211 a tokenizer that has become another; the same one elsewhere is taken', async () => {
    const [output, data] = [fresh(), jsonl('d.jsonl', DATA)];
    await train(data, output, '--max-steps', '3');
    const moved = file('moved.json', readFileSync(net.tokenizer, 'utf8'));
    const words = ['train', net.train, '-o', output, '--resume', '--tokenizer', moved];
    expect((await lotrc(...words)).code).toBe(0);
    file('moved.json', JSON.stringify({ type: 'character', chars: [...CHARACTERS].reverse().join('') }));
    await failing('LOTR8211', lotrc(...words), /tokenizer\.sha256/);
  });
  test('LOTR8212 a damaged checkpoint or run', async () => {
    const [output, data] = [fresh(), jsonl('c.jsonl', DATA)];
    await train(data, output, '--max-steps', '3');
    writeSafetensors(join(output, 'checkpoint.safetensors'), new Map());
    await failing('LOTR8212', lotrc('train', net.train, '-o', output, '--resume'), /the position of the run/);
    writeFileSync(join(output, 'run.json'), '{');
    await failing('LOTR8212', lotrc('train', net.train, '-o', output, '--resume'), /cannot be read/);
    await failing(
      'LOTR8212',
      lotrc('eval', net.train, '--data', data, '--run', join(root, 'nothing')),
      /no run/,
    );
  });
  test('LOTR8213 gradients that stay infinite', () =>
    failing(
      'LOTR8213',
      train(jsonl('c.jsonl', DATA), fresh(), '--lr', '1e38', '--epochs', '40', '--schedule', 'constant'),
      /40 steps in a row/,
    ));
  test('LOTR8215 an interruption', async () => {
    const output = fresh();
    // a run listens once it has started, which takes as long as it takes
    const listening = process.listenerCount('SIGINT');
    const watch = setInterval(() => {
      if (process.listenerCount('SIGINT') === listening) return;
      clearInterval(watch);
      process.emit('SIGINT');
    }, 5);
    const { code, err } = await train(jsonl('c.jsonl', DATA), output, '--epochs', '500').finally(() =>
      clearInterval(watch),
    );
    expect(err).toMatch(/warning LOTR8215: interrupted after step \d+ of 2500/);
    expect(code).toBe(130);
  });
  test('LOTR8216 rows that a fixed batch cannot take, in a directory without a label for them', async () => {
    const fixed = await textClassifier(join(root, 'fixed'), { batch: 4, loss: 'mse', classes: 1 });
    const signature = join(fixed.train, 'signature.json');
    writeFileSync(signature, readFileSync(signature, 'utf8').replace(/ *"ignoreValue": .*\n/, ''));
    const rows = DATA.slice(0, 10).map(({ text }, i) => ({ text, label: i / 10 }));
    const words = (count: number) => {
      const data = jsonl('d.jsonl', rows.slice(0, count));
      return ['--data', data, '--tokenizer', net.tokenizer];
    };
    for (const command of [
      ['train', fixed.train, '-o', fresh(), '--max-steps', '3', ...words(10)],
      ['eval', fixed.train, ...words(10)],
    ]) {
      const { code, err } = await lotrc(...command);
      expect(err).toContain(
        'warning LOTR8216: the model takes batches of exactly 4: 2 examples are left out',
      );
      expect(code).toBe(0);
    }
    await failing('LOTR8204', lotrc('eval', fixed.train, ...words(3)), /has 3 examples.*exactly 4/);
  });
  test('LOTR8217 more classes than the model has', () =>
    failing(
      'LOTR8217',
      train(jsonl('e.jsonl', records(20, ['a', 'b', 'c', 'd'])), fresh()),
      /need 4 classes and the model has 3/,
    ));
  test('LOTR8250 ids beyond the embedding table; LOTR8111 where the directory does not know its rows', async () => {
    const vocabulary = file('v.json', JSON.stringify({ type: 'character', chars: `${CHARACTERS}!?` }));
    const rows = [{ text: 'ab?', label: 'fish' }, ...DATA];
    const words = () => ['--data', jsonl('f.jsonl', rows), '--tokenizer', vocabulary, '-o', fresh()];
    await failing('LOTR8250', lotrc('train', net.train, ...words()), /"input_ids" has 28/, /27 rows/);
    const older = join(root, 'older');
    cpSync(net.train, older, { recursive: true });
    const signature = join(older, 'signature.json');
    writeFileSync(signature, readFileSync(signature, 'utf8').replace(/,\s*"rows": 27/g, ''));
    await failing('LOTR8111', lotrc('train', older, ...words()), /input_ids\[/, /--max-length/);
  });
});
