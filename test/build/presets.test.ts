import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PRESETS, presetValues, RECIPES } from '../../src/build/presets.js';
import { TUNE } from '../../src/build/tune-set.js';
import type { OptionSet } from '../../src/options/define.js';
import { records, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { writeJsonl } from '../support/reading.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-presets-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const set: OptionSet = TUNE;

test.each([...Object.entries(PRESETS), ...Object.entries(RECIPES)])(
  '%s holds values of options',
  (_, values) => {
    for (const [key, value] of Object.entries(values)) {
      expect(Object.keys(set)).toContain(key);
      expect(set[key]!.type.problem(value), key).toBeNull();
    }
  },
);

test('a preset counts more than a recipe', () => {
  expect(presetValues('glue/qqp', 'lotr-paper')).toMatchObject({
    batchSize: 32,
    weightDecay: 0.1,
    textField: 'question1',
  });
  expect(presetValues(undefined, undefined)).toEqual({});
});

test('tune trains as they say, but for what is given', { timeout: 300_000 }, async () => {
  const { model, tokenizer } = await textClassifier(at('classifier'), { classes: 2 });
  const rows = records(30, ['red', 'blue']).map(({ text, label }) => ({ sentence: text, label }));
  writeJsonl(at('data.jsonl'), rows);
  const words = [
    '--preset',
    'glue/cola',
    '--recipe',
    'lotr-paper',
    '--data',
    at('data.jsonl'),
    '--tokenizer',
    tokenizer,
  ];
  const own = [
    '--target',
    'hidden',
    '--rank',
    '4',
    '--batch-size',
    '5',
    '--max-steps',
    '2',
    '--max-length',
    '24',
  ];
  const { code, err } = await lotrc('tune', model, ...words, ...own, '--threads', '1', '-o', at('run'));
  expect(code, err).toBe(0);
  const settings = readFileSync(at('run/run/run.json'), 'utf8');
  for (const value of ['"peak": 0.00001', '"batchSize": 5', '"kind": "polynomial"', '"mcc"'])
    expect(settings).toContain(value);
  const { optimizer } = JSON.parse(readFileSync(at('run/training/signature.json'), 'utf8')) as {
    optimizer: unknown;
  };
  expect(optimizer).toMatchObject({
    kind: 'adamw',
    constants: { beta2: 0.98, epsilon: 1e-6, weightDecay: 0.1 },
  });
});
