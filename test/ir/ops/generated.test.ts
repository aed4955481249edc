import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generate } from '../../../cli/dev/gen-ops.js';

test('the committed files are what the generator makes of the schema (else: npm run gen)', async () => {
  const files = await generate(readFileSync('src/ir/ops/schema.json', 'utf8'));
  expect(Object.keys(files).sort()).toEqual(['attr-defaults.ts', 'op-map.ts']);
  for (const [name, text] of Object.entries(files)) {
    expect(readFileSync(`src/ir/ops/generated/${name}`, 'utf8') === text, name).toBe(true);
  }
});
