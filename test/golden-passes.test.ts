import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareModels, type Side } from '../src/backends/ort/compare.js';
import { OrtProcess } from '../src/backends/ort/process.js';
import { readModel, readModelBytes } from '../src/ir/onnx/reader.js';
import { parseModel, printModel } from '../src/ir/text/index.js';
import { ALL_PASSES } from '../src/passes/registry.js';
import { expectFile } from './support/expected.js';
import { passCases, runPasses } from './support/golden-passes.js';

const host = new OrtProcess();
const scratch = mkdtempSync(join(tmpdir(), 'lotrc-golden-passes-'));
afterAll(() => {
  host.close();
  rmSync(scratch, { recursive: true });
});

const CASES = passCases();

test('every registered pass has a case, and every case is of a registered pass', () => {
  const shown = [...new Set(CASES.map(({ pass }) => pass))];
  expect(shown).toEqual(ALL_PASSES.map(({ passName }) => passName).sort());
});

describe.each(CASES.map((item) => [item.name, item] as const))('golden/passes/%s', (_name, item) => {
  test('gives the expected text', async () => {
    const { content, changed, written, after } = runPasses(item);
    expectFile(item.path, content);
    expect(content, 'ASCII, LF, final line feed').toMatch(/^[\n\x20-\x7e]*\n$/);
    expect(changed, `whether ${item.pass} changes the model`).toBe(item.pass !== 'resolve-names');
    for (const bytes of [written, after]) {
      const printed = printModel(readModelBytes(bytes), { locations: false });
      expect(printModel(parseModel(printed), { locations: false }), 'printing and parsing').toBe(printed);
    }
    const sides = [written, after].map((bytes, index) => side(bytes, `${index}.onnx`));
    if (sides.every(({ model }) => inPlainOnnx(model))) await expectEqual(sides[0]!, sides[1]!);
  });
});

function side(bytes: Uint8Array, name: string): Side {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  return { path, model: readModel(path) };
}

/** ONNX Runtime does not know lotrc::LoTRLinear; functions of that domain it takes from the model. */
function inPlainOnnx(model: Side['model']): boolean {
  return [...model.everyNode()].every(({ opKey }) => opKey !== 'lotrc::LoTRLinear');
}

/** No pass changes what a model computes, up to rounding; adapters add nothing at step 0. */
async function expectEqual(written: Side, after: Side): Promise<void> {
  const names = (item: Side) => item.model.graph.inputs.map(({ name }) => name);
  for (const { path } of [written, after]) await host.load(path);
  if (names(written).join() !== names(after).join()) return;
  const { outputs } = await compareModels(written, after, { host, optimization: 'disabled', seed: 7 });
  for (const { name, relative } of outputs) expect(relative, `output ${name}`).toBeLessThanOrEqual(1e-6);
}
