import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CONTEXT, Corpus, decode, encode, MODEL, TRAINED_STEPS } from '../../cli/dev/demo/charlm.js';
import { continuedText } from '../../cli/dev/demo/sample.js';
import {
  type DemoRecipe,
  emitWords,
  filesOfRun,
  rateAt,
  rewriteWords,
  tune,
} from '../../cli/dev/demo/tune.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { toF32 } from '../../src/ir/values.js';
import { short } from '../../src/train/logs/ticks.js';
import { lotrc } from '../support/cli.js';
import { allOrFirst } from '../support/everything.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-demo-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const readme = readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8');
const corpus = new Corpus();

test('windows lie in the text, inputs and labels one character apart', () => {
  const first = corpus.batch(0);
  const tokens = Array.from(first.inputs.input_ids!.data, Number);
  const labels = Array.from(first.labels.data, Number);
  expect(first.labels.dims).toEqual([16, CONTEXT]);
  for (const row of [0, 7, 15]) {
    const at = row * CONTEXT;
    expect(labels.slice(at, at + CONTEXT - 1)).toEqual(tokens.slice(at + 1, at + CONTEXT));
  }
  expect(decode(encode('Call me Ishmael.\n~'))).toBe('Call me Ishmael.\n~');
  expect(() => encode('caf\u00e9')).toThrow('"\u00e9"');
  expect([0, 9, 19, 100, TRAINED_STEPS - 1].map((step) => Number(rateAt(step, 1).toFixed(4)))).toEqual([
    0.05, 0.4775, 0.905, 0.5, 0.005,
  ]);
  expect([0, 9, 25].map((step) => Number(rateAt(step, 1, 50).toFixed(4)))).toEqual([0.1, 0.82, 0.5]);
});

const RECIPES = [
  // a few steps at a higher rate learn as much as many
  { method: 'lotr', rank: 8, rate: 6e-2, torch: 1.757 },
  { method: 'lora', rank: 1, rate: 6e-2, torch: 1.764 },
] satisfies DemoRecipe[];

test.each(allOrFirst(RECIPES))(
  '$method r=$rank starts at the loss that PyTorch has and learns',
  async (recipe) => {
    const rewritten = await lotrc(...rewriteWords(recipe, folder));
    expect(rewritten).toMatchObject({
      code: 0,
      err: expect.stringMatching(/^remark LOTR3026: .*lm_head\n.*\n$/),
    });
    expect(await lotrc(...emitWords(recipe, folder))).toMatchObject({ code: 0, err: '' });
    const told: number[][] = [];
    const tuned = await tune(recipe, {
      folder,
      corpus,
      threads: 1,
      until: 5,
      onProgress: (...row) => told.push(row),
    });
    expect(told).toEqual([[5, expect.closeTo(2.2, 0), tuned.after]]);
    // PyTorch: 2.33105 over the same 64 windows
    expect(Math.abs(tuned.before - 2.33105)).toBeLessThan(2e-5);
    expect(tuned.after).toBeLessThan(tuned.before - 0.1);
    const report = readFileSync(join(filesOfRun(recipe, folder).logs, 'report.html'), 'utf8');
    expect(report).toContain(`first ${short(tuned.before)}`);
    const { tensors, metadata } = readSafetensors(filesOfRun(recipe, folder).trained);
    expect(metadata).toEqual(readSafetensors(filesOfRun(recipe, folder).initial).metadata);
    const values = [...tensors.values()].flatMap((data) => [...toF32(data)]);
    expect(values).toHaveLength(tuned.parameters);
    expect(values.filter((value) => value === 0).length).toBeLessThan(10);
    const row = `${recipe.method === 'lotr' ? 'LoTR' : 'LoRA'} r=${recipe.rank}`.padEnd(11);
    expect(readme).toContain(`${row}${tuned.parameters.toLocaleString('en-US')} `);
  },
);

test('a continuation is drawn from the model, the same each time, also beyond its context', async () => {
  const text = await continuedText(MODEL, 'the United Stat', 4);
  expect(text.slice(0, 17)).toBe('the United States');
  expect(await continuedText(MODEL, 'the United Stat', 4)).toBe(text);
  const long = 'America '.repeat(16);
  expect(await continuedText(MODEL, long, 2)).toHaveLength(long.length + 2);
});
