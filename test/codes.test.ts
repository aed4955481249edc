import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import '../src/backends/codes/index.js';
import '../src/ir/codes/index.js';
import { allCodes } from '../src/ir/diagnostics.js';
import { GOLDEN } from './support/golden.js';

/** Everything below a folder whose name fits, as one text. */
function contents(folder: string, wanted: RegExp): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => wanted.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
}

const goldens = contents(GOLDEN, /diagnostics\.txt$|\.json$|report\.txt$/);
const tests = contents(import.meta.dirname, /(?<!codes)\.test\.ts$/);

describe.each(allCodes().map((info) => [info.code, info] as const))(
  '%s',
  (code, { title, explain, severity }) => {
    test('is shown by a golden case or asserted by a test', () => {
      expect(goldens.includes(`${severity} ${code}:`) || tests.includes(code)).toBe(true);
    });

    test('has a title on one line and a text that says more', () => {
      expect(title).toMatch(/^[\x20-\x7e]{10,100}$/);
      expect(title).not.toMatch(/\.$/);
      expect(explain.length).toBeGreaterThan(title.length);
      expect(explain).toMatch(/^[\x20-\x7e]+[.)]$/);
    });
  },
);
