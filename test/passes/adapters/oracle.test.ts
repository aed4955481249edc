import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { planFactors } from '../../../src/adapter/plan-factors.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor, type TensorData } from '../../../src/ir/tensor.js';
import { printModel } from '../../../src/ir/text/index.js';
import { toF32 } from '../../../src/ir/values.js';
import { carryFactors } from '../../../src/passes/adapters/carry-factors.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { mergeAdapters } from '../../../src/passes/adapters/merge.js';
import { shareFactors } from '../../../src/passes/adapters/share-factors.js';
import { stripAdapters } from '../../../src/passes/adapters/strip.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { writePlan } from '../../../src/passes/plan/plan.js';
import { inTurn } from '../../support/everything.js';
import { asFeed, feedsOf, type Oracle, oracles, planOf } from '../../support/oracle.js';
import { maxDifference, relativeError, runOrt } from '../../support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-oracle-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Form = 'fold' | 'token' | 'function';

/** The oracle's plan on its model, in one of the forms; factors from the oracle, or with cores of zero. */
function rewritten(oracle: Oracle, form: Form, zeroCores = false) {
  const model = readModel(oracle.path);
  const row = planOf(oracle, model);
  writePlan(model, { version: 1, plans: [row] });
  const factors = new Map<string, TensorData>();
  for (const { name, shape, factor } of planFactors([row])) {
    const zeros = f32Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
    factors.set(
      name,
      zeroCores && row.spec.factors[factor]!.name === 'M' ? zeros : oracle.tensors.get(name)!,
    );
  }
  insertAdapters(model, factors);
  if (form === 'function') toFunctions(model);
  else {
    lowerAdapters(model, form);
    shareFactors(model);
  }
  return model;
}

describe.each(oracles().map((oracle, n) => [oracle.name, oracle, n] as const))('%s', (name, oracle, n) => {
  const forms = inTurn(['fold', 'token', 'function'] as const, n);
  const logits = oracle.description.logits;
  const expected = toF32(oracle.tensors.get('logits')!);
  const feeds = feedsOf(oracle);
  const path = (what: string) => join(scratch, `${name}.${what}.onnx`);

  test.each(forms)('%s: logits are those of PyTorch', async (form) => {
    const model = rewritten(oracle, form);
    writeModel(model, path(form));
    const result = await runOrt(path(form), feeds);
    expect(relativeError(result[logits]!.data, expected)).toBeLessThan(1e-5);
  });

  test.each(forms)('%s: with cores of zero the model is the base', async (form) => {
    writeModel(rewritten(oracle, form, true), path(`${form}0`));
    // the same optimisations on both sides, so that equal graphs give equal bits
    const run = (file: string) => runOrt(file, feeds, { level: 'basic' });
    const [base, adapted] = [await run(oracle.path), await run(path(`${form}0`))];
    expect(maxDifference(adapted[logits]!, base[logits]!)).toBeLessThan(1e-6);
  });

  test.each(forms)('%s: merged, logits are those of PyTorch', async (form) => {
    writeModel(rewritten(oracle, form), path(`${form}-m`));
    const model = readModel(path(`${form}-m`));
    mergeAdapters(model);
    expect([...model.everyNode()].filter((node) => node.domain === 'lotrc')).toEqual([]);
    writeModel(model, path(`${form}-merged`));
    const result = await runOrt(path(`${form}-merged`), feeds);
    expect(relativeError(result[logits]!.data, expected)).toBeLessThan(1e-5);
  });

  test.each(forms)('%s: factors as inputs', async (form) => {
    const model = rewritten(oracle, form);
    const data = carryFactors(model, 'inputs');
    writeModel(model, path(`${form}-inputs`));
    const factors = Object.fromEntries([...data].map(([key, tensor]) => [key, asFeed(tensor)]));
    const result = await runOrt(path(`${form}-inputs`), { ...feeds, ...factors });
    expect(relativeError(result[logits]!.data, expected)).toBeLessThan(1e-5);
  });

  test.each(inTurn(['fold', 'function'] as const, n))(
    '%s: optional factors default to the base',
    async (form) => {
      const model = rewritten(oracle, form);
      carryFactors(model, 'optional');
      writeModel(model, path(`${form}-optional`));
      const run = (file: string) => runOrt(file, feeds, { level: 'basic' });
      const [base, adapted] = [await run(oracle.path), await run(path(`${form}-optional`))];
      expect(maxDifference(adapted[logits]!, base[logits]!)).toBeLessThan(1e-6);
    },
  );

  test.each(forms)('%s: stripped, it is the base again', (form) => {
    writeModel(rewritten(oracle, form), path(`${form}-s`));
    const model = readModel(path(`${form}-s`));
    stripAdapters(model);
    const base = readModel(oracle.path);
    const text = (m: typeof base) => printModel(m, { locations: false });
    if (form === 'function') for (const m of [base, model]) m.setIrVersion(10);
    expect(text(model)).toBe(text(base));
  });
});
