import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { kernelForm } from '../../src/adapter/kernel-form.js';
import { METHODS } from '../../src/adapter/methods/index.js';
import { emitTraining } from '../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { readModel, readModelBytes } from '../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../src/ir/onnx/writer.js';
import { printModel } from '../../src/ir/text/index.js';
import { toF32 } from '../../src/ir/values.js';
import { countTrainable } from '../../src/passes/sites/counts.js';
import { apply, extract, merge, strip } from '../../src/rewrite.js';
import { optimizerOf } from '../../src/train/optimizers/index.js';
import type { Signature } from '../../src/train/signature.js';
import { EVERYTHING, everySecond, inTurn } from '../support/everything.js';
import { type MethodOracle, methodOracle, writtenAs } from '../support/method-oracle.js';
import { feedsOf } from '../support/oracle.js';
import { relativeError, runOrt, type Tensor } from '../support/ort.js';
import { Host } from '../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-methods-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Every method that lotrc comes with, and how many numbers it trains on the classifier of test/data/methods. */
const ROWS: readonly (readonly [method: string, trainable: number])[] = [
  ['lotr', 1088],
  ['lora', 2784],
  ['rslora', 1152],
  ['lora-plus', 768],
  ['lora-fa', 864],
  ['lora-xs', 117],
  ['pissa', 1152],
  ['moslora', 1632],
  ['sharelora-a', 1088],
  ['sharelora-b', 1088],
  ['sharelora-ab', 672],
  ['vera', 516],
  ['tied-lora', 1140],
  ['fact-tt', 352],
  ['fact-tk', 237],
  ['metatt-4d', 237],
  ['cp', 276],
  ['lorta', 147],
  ['loha', 1792],
  ['lokr', 672],
  ['nola', 66],
  ['randlora', 840],
  ['randlora-simple', 72],
  ['rank-one', 864],
  ['dora', 1568],
  ['hira', 1856],
  ['ia3', 464],
  ['ia3-in', 432],
];

test('every method has a row', () => {
  expect(ROWS.map(([method]) => method)).toEqual([...METHODS.keys()]);
});

const FORMS = ['fold', 'token', 'dense', 'function'] as const;

const optimizer = optimizerOf('adamw', { weightDecay: 0.01 });

/** norm-wise, for float32 against float64: PyTorch in float32 is within 1e-6 for logits, 3e-6 for gradients and after ten steps */
const LOGITS = 1e-5;
const BAR = 2e-5;

/** A session that runs several times. */
async function sessionOf(path: string) {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  return async (feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> => {
    const given = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
      name,
      new ort.Tensor(dtype as 'float32', data as Float32Array, shape),
    ]);
    const results = await session.run(Object.fromEntries(given));
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, dims, data }]) => [
        name,
        { dtype: type, shape: dims, data: data as Float32Array },
      ]),
    );
  };
}

async function logitsOf(
  oracle: MethodOracle,
  model: Parameters<typeof encodeModel>[0],
): Promise<Float32Array> {
  const result = await runOrt(encodeModel(model), feedsOf(oracle));
  return result[oracle.description.logits]!.data as Float32Array;
}

const MODELS = EVERYTHING ? ['bert', 'gpt2', 'llama'] : ['bert'];

// outside CI the first method is written in every form and trained in both ways, the others take turns
describe.each(ROWS.map((row, n) => [...row, n] as const))('%s', (method, trainable, n) => {
  const oracles = MODELS.flatMap((on) => methodOracle(METHODS.get(method)!, on) ?? []);

  test('has the trainable parameters of its paper', () => {
    expect(oracles.map(({ plan }) => countTrainable(plan.plans))).toEqual(
      oracles.map((each) => each.trainable),
    );
    expect(oracles[0]!.trainable).toBe(trainable);
  });

  test.each(inTurn(FORMS, n))('%s: logits are those of PyTorch, before and after merging', async (form) => {
    for (const oracle of everySecond(oracles, n + FORMS.indexOf(form))) {
      const expected = toF32(oracle.tensors.get('logits')!);
      const model = readModelBytes(encodeModel(writtenAs(oracle, form)));
      expect(relativeError(await logitsOf(oracle, model), expected)).toBeLessThan(LOGITS);
      merge(model);
      expect(relativeError(await logitsOf(oracle, model), expected)).toBeLessThan(LOGITS);
    }
  });

  test('stripped, it is the base again; its adapter goes onto another copy of the base', async () => {
    for (const oracle of everySecond(oracles, n)) {
      for (const form of inTurn(['fold', 'dense'] as const, n + 1)) {
        const model = readModelBytes(encodeModel(writtenAs(oracle, form)));
        const adapter = extract(model);
        strip(model);
        const text = (each: typeof model) => printModel(each, { locations: false });
        expect(text(model)).toBe(text(readModel(oracle.path)));
        apply(model, adapter, { lowering: 'token' });
        const expected = toF32(oracle.tensors.get('logits')!);
        expect(relativeError(await logitsOf(oracle, model), expected)).toBeLessThan(LOGITS);
      }
    }
  });

  // one method after another: what they add to the language, lowerings.test.ts holds to finite differences
  test.each(EVERYTHING || n % 3 === 0 ? inTurn([false, true], n) : [])(
    'gradients, and ten steps of AdamW without functions, are those of PyTorch; functions kept: %s',
    async (keepFunctions) => {
      for (const oracle of everySecond(oracles, n + 1)) {
        const folder = mkdtempSync(join(scratch, 'run-'));
        const path = join(folder, 'model.onnx');
        writeModel(writtenAs(oracle, 'fold'), path);
        const { logits } = oracle.description;
        const emit = () =>
          emitTraining({
            open: () => readModel(path),
            folder,
            options: { ...TRAIN_DEFAULTS, optimizer, maxNorm: null, logits, keepFunctions },
          });
        if (keepFunctions && typeof kernelForm(METHODS.get(method)!) === 'string') {
          expect(emit).toThrow(/LOTR5008/);
          continue;
        }
        emit();
        const signature = JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature;
        const host = new Host(signature, oracle);
        const { grad, step } = signature.graphs;
        const found = await runOrt(join(folder, grad!.file), host.feeds(grad!, { loss_scale: 1, draw: 0 }));
        const learned = signature.params.filter((row) => row.trainable);
        expect(learned.length).toBeGreaterThan(0);
        for (const { name } of learned) {
          const port = grad!.outputs.find((output) => output.role === 'grad' && output.param === name)!;
          const expected = toF32(oracle.tensors.get(`grad.${name}`)!);
          expect(relativeError(found[port.name]!.data, expected), name).toBeLessThan(BAR);
        }
        if (keepFunctions) continue;
        const stepping = await sessionOf(join(folder, step!.file));
        for (let t = 1; t <= 10; t++) {
          const scalars = { lr: 1e-2, loss_scale: 1, bc1: 1 - 0.9 ** t, bc2: 1 - 0.999 ** t, draw: 0 };
          host.take(step!, await stepping(host.feeds(step!, scalars)));
        }
        for (const { name } of learned) {
          const expected = toF32(oracle.tensors.get(`adamw10.${name}`)!);
          expect(relativeError(host.held.get(name)!.data, expected), name).toBeLessThan(BAR);
        }
      }
    },
  );
});
