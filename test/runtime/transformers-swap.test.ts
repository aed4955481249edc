import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, expect, test } from 'vitest';
import { done } from '../support/classifier.js';
import { linkPackages } from '../support/link-packages.js';
import { writeNoisy } from '../support/noisy-adapter.js';

const ROOT = join(import.meta.dirname, '../..');
const SENTIMENT = join(ROOT, 'models/sentiment');
const root = mkdtempSync(join(tmpdir(), 'lotrc-transformers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** "[CLS] this movie was great!" in models/sentiment/tokenizer.json. */
const TEXT = 'This movie was great!';

test('examples/transformers-swap gives under a pipeline of Transformers.js what ONNX Runtime gives for each adapter', async () => {
  const folder = join(root, 'model');
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  cpSync(join(SENTIMENT, 'tokenizer.json'), join(folder, 'tokenizer.json'));
  writeFileSync(join(folder, 'tokenizer_config.json'), '{ "tokenizer_class": "PreTrainedTokenizer" }');
  writeFileSync(
    join(folder, 'config.json'),
    '{ "model_type": "bert", "id2label": { "0": "bad", "1": "good" } }',
  );
  const base = join(SENTIMENT, 'sentiment.onnx');
  const rewrite = ['rewrite', base, '--rank', '4', '--target', 'q_proj', '--target', 'v_proj'];
  await done(...rewrite, '--factors', 'inputs', '-o', join(folder, 'onnx/model.onnx'));
  const adapters = ['first.safetensors', 'second.safetensors'];
  for (const [seed, name] of adapters.entries()) {
    writeNoisy(join(folder, 'onnx/model.safetensors'), join(root, name), 100 * seed, 0.5);
    await done('apply', base, join(root, name), '-o', join(root, `${name}.onnx`));
  }

  linkPackages(root, ['onnxruntime-node', '@huggingface/transformers']);
  cpSync(join(ROOT, 'examples/transformers-swap/classify.mjs'), join(root, 'classify.mjs'));
  const argv = ['classify.mjs', './model', TEXT, ...adapters];
  const { stdout, stderr } = spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('');
  const said = stdout
    .trimEnd()
    .split('\n')
    .map((line) => /^(\S+) \[\{"label":"(\w+)","score":([\d.e-]+)\}\]$/.exec(line)!.slice(1));
  expect(said.map(([name]) => name)).toEqual(['base', ...adapters]);

  const expected = await Promise.all(
    [base, ...adapters.map((name) => join(root, `${name}.onnx`))].map(answerOf),
  );
  for (const [k, [, label, score]] of said.entries()) {
    expect(label).toBe(expected[k]!.label);
    expect(Number(score)).toBeCloseTo(expected[k]!.score, 5);
  }
  expect(new Set(expected.map(({ score }) => score.toFixed(4))).size).toBe(3);
});

/** The likelier class of TEXT and its probability, by a session of the model alone. */
async function answerOf(path: string): Promise<{ readonly label: string; readonly score: number }> {
  const vocabulary = JSON.parse(readFileSync(join(SENTIMENT, 'tokenizer.json'), 'utf8')).model.vocab;
  const ids = ['[CLS]', 'this', 'movie', 'was', 'great', '!'].map((word) => vocabulary[word] as number);
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const { logits } = await session.run({
    input_ids: new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
    attention_mask: new ort.Tensor(
      'int64',
      BigInt64Array.from(ids, () => 1n),
      [1, ids.length],
    ),
  });
  await session.release();
  const [bad, good] = logits!.data as Float32Array;
  const score = 1 / (1 + Math.exp(-Math.abs(good! - bad!)));
  return { label: good! > bad! ? 'good' : 'bad', score };
}
