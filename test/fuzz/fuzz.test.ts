import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { exercise } from './exercise.js';
import { type Format, makeInput } from './inputs.js';
import { decode, encode } from './proto.js';
import { loadSeeds } from './seeds.js';
import { Workspace } from './workspace.js';

const CORPUS = join(import.meta.dirname, 'corpus');
const workspace = new Workspace();
afterAll(() => workspace.remove());
const seeds = loadSeeds(join(CORPUS, 'seeds'), workspace);

test('seeds are well-formed and their trees encode to the same bytes', () => {
  expect(seeds.models.length).toBeGreaterThan(12);
  for (const [index, bytes] of seeds.models.entries()) {
    expect(exercise({ format: 'onnx', bytes }, workspace), `seed ${index}`).not.toContain('LOTR1001');
    expect(Buffer.compare(encode(decode(bytes, 'Model')), bytes), `seed ${index}`).toBe(0);
  }
});

test.each(readdirSync(join(CORPUS, 'found')))('%s, which once was not refused', (name) => {
  const bytes = readFileSync(join(CORPUS, 'found', name));
  const format = name.slice(name.indexOf('.') + 1) as Format;
  exercise({ format, bytes }, workspace);
});

describe('changed files end in success or a diagnostic', () => {
  test.each([11, 12, 13, 14])('seed %i', (seed) => {
    const codes = new Map<string, number>();
    for (let index = 0; index < 600; index++) {
      const input = makeInput(seeds, seed, index);
      try {
        const outcome = exercise(input, workspace);
        for (const code of outcome.length === 0 ? ['success'] : outcome)
          codes.set(code, (codes.get(code) ?? 0) + 1);
      } catch (cause) {
        throw new Error(`input ${index} of seed ${seed} (${input.format}) gave no diagnostic`, { cause });
      }
    }
    // mutations that all fail at the first byte, or none, would test nothing
    expect(codes.get('success')).toBeGreaterThan(60);
    for (const code of ['LOTR1001', 'LOTR1005', 'LOTR1101', 'LOTR1401', 'LOTR7001', 'LOTR7101']) {
      expect(codes.get(code), code).toBeGreaterThan(3);
    }
  });
});

test('an input is made of its seed and index alone', () => {
  const again = loadSeeds(join(CORPUS, 'seeds'), workspace);
  for (let index = 0; index < 50; index++)
    expect(makeInput(again, 3, index)).toEqual(makeInput(seeds, 3, index));
  expect(makeInput(seeds, 3, 1)).not.toEqual(makeInput(seeds, 4, 1));
});
