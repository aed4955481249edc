import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { records, type TextClassifier, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';

/** How `lotrc train` and `lotrc eval` read data files for a classifier of texts, and what they refuse. */

const root = mkdtempSync(join(tmpdir(), 'lotrc-reading-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const NAMES = ['fish', 'bird', 'newt'];
const DATA = records(12, NAMES);
let net: TextClassifier;
let serial = 0;
const fresh = () => join(root, `run${serial++}`);

function file(name: string, text: string): string {
  const path = join(root, name);
  writeFileSync(path, text);
  return path;
}
const jsonl = (name: string, rows: readonly object[]) =>
  file(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
const train = (data: string, ...more: readonly string[]) =>
  lotrc(
    'train',
    net.train,
    ...['--data', data, '--tokenizer', net.tokenizer, '--max-steps', '1', '-o', fresh()],
    ...more,
  );

beforeAll(async () => {
  net = await textClassifier(join(root, 'net'));
});

describe('options', () => {
  test('LOTR8222 options of the run that nothing reads', async () => {
    const words = ['--power', '2', '--schedule', 'constant', '--min-lr', '0', '--eval-every', '3'];
    const { code, err } = await train(jsonl('a.jsonl', DATA), ...words);
    for (const option of ['--power', '--min-lr', '--eval-every'])
      expect(err).toContain(`warning LOTR8222: ${option} has no effect:`);
    expect(code).toBe(0);
  });
});
