import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareModels } from '../src/backends/ort/compare.js';
import { OrtProcess } from '../src/backends/ort/process.js';
import { LotrcError } from '../src/ir/diagnostics.js';
import { readSafetensors } from '../src/ir/files/safetensors.js';
import type { Model } from '../src/ir/model.js';
import { readModel, readModelBytes } from '../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../src/ir/text/index.js';
import { verify } from '../src/ir/verify.js';
import { readPlan } from '../src/passes/plan/plan.js';
import { BLESS } from './support/expected.js';
import { type Case, cases, type Outcome, runCase, settle } from './support/golden.js';

const host = new OrtProcess();
afterAll(() => host.close());

const text = (model: Model) => printModel(model, { locations: false });

describe.each(cases().map((item) => [item.name, item] as const))('golden/%s', (name, item) => {
  test('gives the expected files', async () => {
    const outcome = await runCase(item);
    try {
      const wrong = settle(item, outcome.views, BLESS);
      if (wrong.length > 0) {
        throw new Error(
          `golden/${name} changed. If it should, run \`npm run bless\` and read the diff.\n\n${wrong.join('\n\n')}`,
        );
      }
      await checkProperties(item, outcome);
    } finally {
      rmSync(outcome.scratch, { recursive: true });
    }
  });
});

/** What holds for every case, whatever it shows. */
async function checkProperties(
  item: Case,
  { views, models, rewritten, input, scratch }: Outcome,
): Promise<void> {
  for (const file of readdirSync(item.folder)) {
    const content = readFileSync(join(item.folder, file), 'latin1');
    expect(content, `${file}: ASCII, LF, final line feed`).toMatch(/^[\n\x20-\x7e]*\n$/);
  }
  expect(views.get('diagnostics.txt') ?? '', 'no case shows a defect of lotrc').not.toMatch(/^error LOTR9/m);
  const failed = /^exit/m.test(views.get('diagnostics.txt') ?? '');
  expect(failed, 'a case fails if and only if it is in golden/diagnostics').toBe(
    item.name.startsWith('diagnostics/'),
  );
  const base = parsed(item, input);
  if (!base) return;
  expect(text(parseModel(text(base))), 'printing and parsing the input').toBe(text(base));
  const basePath = join(scratch, 'base.onnx');
  if (item.notForOrt === null) {
    writeModel(base, basePath);
    await host.load(basePath);
  }
  for (const path of models) {
    const model = readModel(path);
    const printed = text(model);
    expect(text(parseModel(printed)), 'printing and parsing the output').toBe(printed);
    expect(verify(model).filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(text(readModelBytes(encodeModel(model, { canonical: true }))), 'the canonical encoding').toBe(
      printed,
    );
    if (item.notForOrt !== null) continue;
    await host.load(path);
    if (rewritten.includes(path) && startsAtBase(model)) await expectEqual(basePath, base, path, model);
  }
}

/** The input as a model, or null where the case is about text that is not a model. */
function parsed(item: Case, path: string): Model | null {
  try {
    return parseModel(item.input, path);
  } catch (error) {
    if (error instanceof LotrcError) return null;
    throw error;
  }
}

/** A zero factor in every product makes the adapted model equal to the base, bit for bit. */
function startsAtBase(model: Model): boolean {
  const rows = readPlan(model)?.plans ?? [];
  return rows.length > 0 && rows.every(({ spec }) => spec.factors.some(({ init }) => init === 'zeros'));
}

async function expectEqual(basePath: string, base: Model, path: string, model: Model): Promise<void> {
  const adapter = path.replace(/\.onnx$/, '.safetensors');
  const asInputs = readPlan(model)!.plans.some(({ carry }) => carry === 'inputs');
  const { outputs: differences } = await compareModels(
    { path: basePath, model: base },
    { path, model, own: asInputs ? readSafetensors(adapter).tensors : undefined },
    { host, optimization: 'disabled', seed: 7 },
  );
  for (const { name, absolute } of differences) expect(absolute, `output ${name} at step 0`).toBe(0);
}
