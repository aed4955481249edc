import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJiti } from 'jiti';
import { afterAll, expect, test } from 'vitest';
import { valueOfModule } from '../../src/build/config-value.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-values-'));
afterAll(() => rmSync(folder, { recursive: true }));
const IMPORT = "import { defineConfig } from 'lotrc/config';\n";
const PLAIN = join(import.meta.dirname, '../../src/build/define-config.ts');

/** What the module is to a program that runs it. */
async function ran(text: string): Promise<unknown> {
  const file = join(folder, 'config.ts');
  writeFileSync(file, text);
  const jiti = createJiti(file, { moduleCache: false, fsCache: false, alias: { 'lotrc/config': PLAIN } });
  return jiti.import(file, { default: true });
}

test.each([
  'export default {}',
  `// a config\n/* of\n two lines */ ${IMPORT}\nexport default defineConfig({ models: {}, });\n// the end`,
  `import {defineConfig} from "lotrc/config"; export default defineConfig ( { a: [1, -2.5e-3, 0, -0,], 'b c': "d" } , ) ;`,
  `export default { a: true, b: false, c: null, if: '', $d: [[], {}] }`,
  String.raw`export default { text: 'it\'s \\d+ "x" \n\t', other: "(^|\\.)a\"'// no comment /* */" }`,
  'export default { a: 1, b: 2, a: 3, "10": 1, "2": 2 }',
  'export default { constructor: 1, toString: { valueOf: 2 } }',
  'export default [1, { a: [] }]',
])('a module that is a value has the value that it has when it runs: %j', async (text) => {
  const value = valueOfModule(text);
  expect(value).toBeDefined();
  const other = await ran(text);
  expect(value).toStrictEqual(other);
  expect(JSON.stringify(value)).toBe(JSON.stringify(other));
});

test.each([
  '',
  'export default',
  'export default defineConfig({})',
  `${IMPORT}export default defineConfig({}).x`,
  `${IMPORT}export default defineConfig({}, 1)`,
  `${IMPORT}console.log(1);export default {}`,
  `import { defineConfig } from './mine';\nexport default defineConfig({})`,
  `import { defineConfig as d } from 'lotrc/config';\nexport default d({})`,
  `import { defineConfig } from 'lotrc/config' with { type: 'x' };\nexport default {}`,
  'export default { rank: process.env.RANK }',
  'export default { rank: 1 + 1 }',
  'export default { rank: 1_000 }',
  'export default { rank: 010 }',
  'export default { rank: 1n }',
  'export default { rank: 0x10 }',
  'export default { rank: .5 }',
  'export default { rank: undefined }',
  'export default { get rank() { return 1 } }',
  'export default { rank }',
  'export default { rank() {} }',
  'export default { ...base }',
  'export default { ["rank"]: 1 }',
  'export default { "__proto__": { rank: 1 } }',
  'export default { __proto__: { rank: 1 } }',
  'export default { a: `b` }',
  String.raw`export default { a: '\x41' }`,
  String.raw`export default { a: 'b\
c' }`,
  'export default { a: "b" + "c" }',
  'export default { a: /b/ }',
  'export default { a: 1 } as const',
  'export default { a: 1 }; export const b = 2',
  'export default { a: [1,,2] }',
  'export default { a: 1 b: 2 }',
  'export default {} /* no end',
  'export defaultx',
  `export default ${'['.repeat(100)}${']'.repeat(100)}`,
])('what is more than a value must run: %j', (text) => {
  expect(valueOfModule(text)).toBeUndefined();
});
