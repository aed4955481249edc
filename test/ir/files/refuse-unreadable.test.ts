import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lotrc } from '../../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-unreadable-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ['charlm.onnx', 'charlm.onnxtxt', 'other.onnx']) writeFileSync(join(folder, name), '');

test.each([
  ['a name with one letter less', 'charm.onnx', 'hint: did you mean charlm.onnx?'],
  ['a text form', 'charm.onnxtxt', 'hint: did you mean charlm.onnxtxt?'],
  ['another ending', 'charlm.onxn', 'hint: check the path and its permissions'],
  ['a name like none', 'bert-base.onnx', 'hint: check the path and its permissions'],
  ['a folder that is not there', 'models/charlm.onnx', 'hint: check the path and its permissions'],
])('a file that is not there: %s', async (_, name, hint) => {
  const { code, err } = await lotrc('inspect', join(folder, name));
  expect(code).toBe(1);
  expect(err).toContain('error LOTR1002: cannot read the file: ENOENT');
  expect(err).toContain(hint);
});
