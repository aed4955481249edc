import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TUNE } from '../../src/build/tune-set.js';
import { flagOf, type OptionSet } from '../../src/options/define.js';
import { done, records, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { writeJsonl } from '../support/reading.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-tune-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (...path: readonly string[]) => join(root, ...path);

interface Report {
  readonly before: {
    readonly step: number;
    readonly on: string;
    readonly loss: number;
    readonly accuracy?: number;
  };
  readonly after: {
    readonly step: number;
    readonly on: string;
    readonly loss: number;
    readonly accuracy?: number;
  };
  readonly files: readonly { readonly path: string }[];
}
const same = (a: string, b: string) => readFileSync(a).equals(readFileSync(b));

describe('a classifier', () => {
  let model = '';
  let data: readonly string[] = [];
  beforeAll(async () => {
    const made = await textClassifier(at('classifier'));
    ({ model } = made);
    writeJsonl(at('data.jsonl'), records(60, ['red', 'green', 'blue']));
    data = ['--data', at('data.jsonl'), '--tokenizer', made.tokenizer, '--batch-size', '7', '--threads', '1'];
  });

  test('is not trained where its results could not be written (LOTR1203)', async () => {
    const { code, err } = await lotrc('tune', model, ...data, '--weights', 'link', '-o', at('linked'));
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('error LOTR1203:') });
    expect(existsSync(at('linked'))).toBe(false);
  });

  test('is tuned as the four commands would, with options that fit it', async () => {
    const { code, out, err } = await lotrc(
      'tune',
      model,
      ...data,
      '--epochs',
      '4',
      '--lr',
      '1e-2',
      '-o',
      at('tuned'),
      '--json',
    );
    expect({ code, problems: err.match(/error/g) }).toEqual({ code: 0, problems: null });
    expect(err).toContain('gives each row one of 3 classes (output logits [batch, 3])');
    const { before, after, files } = JSON.parse(out) as Report;
    expect(before).toMatchObject({ step: 0, on: 'evaluation' });
    expect(after.loss).toBeLessThan(before.loss * 0.9);
    const [adapter, adapted, merged] = ['model.safetensors', 'model.lotr.onnx', 'model.merged.onnx'].map(
      (name) => at('tuned', name),
    );
    expect(files.map(({ path }) => path)).toEqual([adapter, adapted, merged]);
    // what only the start of training needs is gone
    expect(existsSync(at('tuned/start'))).toBe(false);

    await done('rewrite', model, '--rank', '8', '--init', 'fan-in', '--scale', '8', '-o', at('hand.onnx'));
    const head = ['--also-train', '(^|\\.)head(\\.(weight|bias))?$'];
    await done('emit', 'onnx-train', at('hand.onnx'), '-o', at('hand'), ...head);
    await done('train', at('hand'), ...data, '--epochs', '4', '--lr', '1e-2', '--eval-split', '0.1');
    expect(same(adapter!, at('hand/run/adapter.safetensors'))).toBe(true);
    expect((await lotrc('verify', adapted!, merged!)).code).toBe(0);

    // both from stdin, whose first bytes say what the data is
    const asks = ['eval', at('tuned/training'), at('hand'), ...data.slice(2), '--data', '-', '-q'];
    const program = resolve(import.meta.dirname, '../../dist/cli/main.js');
    const input = readFileSync(at('data.jsonl'));
    const { stdout, stderr, status } = spawnSync(process.execPath, [program, ...asks], { input });
    expect({ status, said: stderr.toString() }).toEqual({ status: 0, said: '' });
    const losses = stdout.toString().match(/^60 examples: loss .*$/gm) ?? [];
    expect(losses).toHaveLength(2);
    const { out: alone } = await lotrc('eval', at('hand'), ...data);
    expect(alone).toContain(losses[1]);
    expect((await lotrc('verify', model, merged!)).code).toBe(1);
  });

  test('goes on where a run ended, with the graphs that it has', async () => {
    const words = ['tune', model, ...data, '-o', at('long'), '--lr', '1e-2'];
    await done(...words, '--max-steps', '3');
    expect(await lotrc(...words)).toMatchObject({ code: 1, err: expect.stringContaining('LOTR8210') });
    const again = ['tune', model, '-o', at('long'), '--resume', '--max-steps', '9'];
    expect(await lotrc(...again, '--rank', '2')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--rank cannot change when a run is resumed'),
    });
    const { code, out } = await lotrc(...again);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^evaluation +step +loss +accuracy +f1_macro +mcc\nbefore +0( +\d\.\d{4}){4}\nafter +\d /,
    );
    expect(out).toContain(`replaced ${at('long/model.merged.onnx')}`);
  });

  test('takes the names of an option that two commands have apart', async () => {
    const flags = Object.entries(TUNE as OptionSet).map(([key, def]) => flagOf(key, def));
    expect(flags.length).toBe(new Set(flags).size);
    expect(flags).toEqual(
      expect.arrayContaining(['labels', 'label-input', 'seed', 'rank', 'loss', 'max-steps', 'weights']),
    );
    const { code, err } = await lotrc('tune', model, '-o', at('nothing'));
    expect(code).toBe(1);
    expect(err).toMatch(/--data/);
    expect(existsSync(at('nothing'))).toBe(false);
  });
});

test('a language model learns the next character; without evaluation the steps are compared', async () => {
  copyFileSync(join(import.meta.dirname, '../data/cases/train/tied.ts.onnx'), at('tied.onnx'));
  const chars = Array.from({ length: 64 }, (_, k) => String.fromCharCode(48 + k)).join('');
  writeFileSync(at('chars.json'), JSON.stringify({ type: 'character', chars }));
  writeFileSync(at('text.txt'), 'ABBABC'.repeat(200));
  const words = [
    '--data',
    at('text.txt'),
    '--tokenizer',
    at('chars.json'),
    '--eval-split',
    '0',
    '--max-length',
    '17',
  ];
  const { code, out, err } = await lotrc(
    'tune',
    at('tied.onnx'),
    ...words,
    '--max-steps',
    '8',
    '--lr',
    '2e-2',
    '--json',
  );
  expect({ code, problems: err.match(/error.*/g) }).toEqual({ code: 0, problems: null });
  const { before, after } = JSON.parse(out) as Report;
  expect([before, after]).toMatchObject([
    { step: 1, on: 'training' },
    { step: 8, on: 'training' },
  ]);
  expect(after.loss).toBeLessThan(before.loss);
  expect(existsSync(at('tied.tuned/tied.merged.onnx'))).toBe(true);
});

test('a model that does not say what it is for is refused before anything is written', async () => {
  const graph =
    '<ir_version: 9, opset_import: ["" : 17]>\ng (float[n, 3, 4] x) => (float[n, 3, 5] y) < float[4,5] w = {0.5} > { y = MatMul (x, w) }';
  writeFileSync(
    at('map.onnxtxt'),
    graph.replace('{0.5}', `{${Array.from({ length: 20 }, (_, k) => `${(k % 7) - 3}.5`).join(', ')}}`),
  );
  writeJsonl(at('some.jsonl'), records(4, ['a', 'b']));
  const { code, err } = await lotrc('tune', at('map.onnxtxt'), '--data', at('some.jsonl'), '--target', '.*');
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('LOTR8309') });
  expect(existsSync(at('map.tuned'))).toBe(false);
});
