import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Signature } from '../../src/train/signature.js';
import { textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';

/** How losses are named on the command line. */
const root = mkdtempSync(join(tmpdir(), 'lotrc-loss-words-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let model = '';
let serial = 0;
beforeAll(async () => {
  await textClassifier(join(root, 'net'));
  model = join(root, 'net', 'model.lotr.onnx');
}, 60_000);

async function emit(...words: readonly string[]) {
  const folder = join(root, `train${serial++}`);
  const { code, err } = await lotrc('emit', 'onnx-train', model, '-o', folder, ...words);
  const signature =
    code === 0 ? (JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature) : null;
  return { code, err, loss: signature?.loss };
}

test.each<[readonly string[], object]>([
  [['--loss', 'logits:mse'], { kind: 'mse' }],
  [['--class-weights', '1,0.5,2'], { kind: 'cross-entropy', classWeights: [1, 0.5, 2] }],
  [['--class-weights', 'logits:1,0.5,2'], { kind: 'cross-entropy', classWeights: [1, 0.5, 2] }],
])('%j', async (words, expected) => {
  const { code, err, loss } = await emit(...words);
  expect(code, err).toBe(0);
  expect(loss).toMatchObject(expected);
});

describe('refused:', () => {
  test.each<[readonly string[], number, RegExp]>([
    [
      ['--loss', 'crossentropy'],
      2,
      /--loss takes KIND, OUTPUT:KIND or OUTPUT:KIND:WEIGHT with a kind of cross-entropy, /,
    ],
    [['--loss', 'logits:mse:x'], 2, /--loss takes KIND/],
    [['--loss', 'logits:mse:-1'], 2, /--loss takes a number above 0, not "-1"/],
    [['--loss', 'logits:mse:0.5'], 2, /a weight needs several losses/],
    [['--loss', 'a:mse', '--loss', 'b:bce', '--logits', 'a'], 2, /--logits names the output of one loss/],
    [['--loss', 'a:mse', '--loss', 'b:bce', '--class-weights', '1,2'], 2, /no cross-entropy is computed/],
    [['--loss', 'a:mse', '--loss', 'b:bce:0.5'], 1, /LOTR5001: .*"a"/],
    [['--loss', 'mse', '--class-weights', '1,2,3'], 1, /LOTR5008: --class-weights: mse has no use/],
    [['--class-weights', '1,-2,3'], 2, /--class-weights takes a number of at least 0/],
  ])('%j', async (words, code, message) => {
    const found = await emit(...words);
    expect([found.code, found.err]).toEqual([code, expect.stringMatching(message)]);
  });
});
