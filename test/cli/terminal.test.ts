import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { visible, visibleLines } from '../../src/ir/visible.js';
import { lotrc } from '../support/cli.js';

// Names in files that act on a terminal: ESC sequences, C1 controls, bidi overrides, and lines that look like lotrc's own.

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-terminal-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const CASES = join(import.meta.dirname, '../data/cases/attack');
const ACTING = /[^\P{Cc}\n\t]|[\p{Bidi_Control}\u2028\u2029]/u;
const FORGED = /^\s*error LOTR0000/m;
const output = join(scratch, 'x.onnx');

describe.each(['ansi1.onnx', 'ansi2.onnx', 'ansi3.onnx'])('%s', (name) => {
  const file = join(CASES, name);
  test.each<[string, ...string[]]>([
    ['inspect', file],
    ['inspect', file, '--json'],
    ['print', file],
    ['print', file, '--no-such-option'],
    ['rewrite', file, '--rank', '2', '-o', output],
    ['rewrite', file, '--rank', '2', '--plan-only'],
    ['rewrite', file, '--rank', '2', '-o', output, '--json'],
    ['rewrite', file, '--rank', '99', '-o', output],
    ['rewrite', file, '--rank', '2', '--target', 'nothing', '-o', output],
    ['rewrite', file, '--rank', '2', '--target', 'nothing', '-o', output, '--diagnostics', 'json'],
    ['merge', file, '-o', join(scratch, 'm.onnx')],
    ['emit', 'wgsl', output, '--explain'],
    ['emit', 'onnx-train', output, '-o', join(scratch, `train-${name}`)],
  ])('%s %s %s %s %s', async (...words) => {
    const { out, err } = await lotrc(...words);
    expect(`${out}${err}`.length).toBeGreaterThan(0);
    for (const text of [out, err]) {
      expect(text).not.toMatch(ACTING);
      expect(text).not.toMatch(FORGED);
    }
  });
});

test('JSON is the same JSON', async () => {
  const names = ['a\u009b31m\u202eb', 'c\u001b[2J\n', 'plain é 漢'];
  const text = JSON.stringify(names, null, 2);
  expect(visibleLines(text)).not.toMatch(ACTING);
  expect(JSON.parse(visibleLines(text))).toEqual(names);
  expect(visible('a\n\u061cb\u2066\u2028')).toBe('a\\n\\u061cb\\u2066\\u2028');
});
