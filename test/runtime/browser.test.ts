import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerOf } from '../../bench/gpu/browser.js';
import { bundledScript, servedFiles } from '../../bench/gpu/bundle-page.js';
import type { GivenBatch } from '../../src/runtime/batch.js';
import { AdapterSession, TrainingRun } from '../../src/runtime/index.js';
import { parseTensorFile } from '../../src/runtime/tensor-file.js';
import { chromium } from '../support/browser.js';
import { done, records, textClassifier } from '../support/classifier.js';
import { filesIn, jsonBatch, recordedRun } from '../support/given-run.js';
import { writeNoisy } from '../support/noisy-adapter.js';
import { relativeError } from '../support/ort.js';
import { writeJsonl } from '../support/reading.js';

/** The examples in Chromium, over onnxruntime-web. WebGPU there is SwiftShader. */

const ROOT = join(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'lotrc-page-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const browser = chromium();
const NODE = { ort, ep: 'cpu', session: { intraOpNumThreads: 1 } } as const;

let script = '';
let batches: readonly GivenBatch[] = [];
const folder = () => join(root, 'net/train');

beforeAll(async () => {
  if (!browser) return;
  script = await bundledScript(ROOT, join(ROOT, 'test/support/runtime-page.mjs'), {
    'lotrc/runtime': join(ROOT, 'dist/src/runtime/index.js'),
  });
  const net = await textClassifier(join(root, 'net'), { emit: ['--ep', 'webgpu', '--ep', 'wasm'] });
  const data = writeJsonl(join(root, 'data.jsonl'), records(24, ['fish', 'bird', 'newt']));
  const run = join(root, 'run');
  const words = ['--tokenizer', net.tokenizer, '-o', run, '--batch-size', '4', '--max-steps', '3'];
  await done('train', net.train, '--data', data, ...words);
  const { steps } = await recordedRun(net.train, run);
  batches = steps.flat().map(jsonBatch);
});

interface PageAnswer {
  readonly losses: readonly number[];
  /** bytes of the file */
  readonly adapter: readonly number[];
  /** where results of more than one number lay */
  readonly locations: readonly string[];
}

async function inPage(job: unknown, from: string): Promise<PageAnswer> {
  return (await answerOf(
    { script, job, files: servedFiles(ROOT, from) },
    { browser: browser! },
  )) as PageAnswer;
}

describe.skipIf(browser === null)('in Chromium', () => {
  // losses, and parameters after the steps, of which test/backends/onnx-train has the same bounds; WebGPU is the software adapter
  test.each([
    ['wasm', 1e-5, 2e-5, []],
    ['webgpu', 1e-4, 1e-4, ['gpu-buffer']],
  ] as const)(
    'browser-train on %s: the losses and the adapter of Node; state stays on the device where there is one',
    async (ep, bound, rest, kept) => {
      const run = await TrainingRun.open(filesIn(folder()), NODE);
      const wanted: number[] = [];
      for (const batch of batches) wanted.push((await run.step(batch, { lr: 1e-2 })).loss);
      const adapter = parseTensorFile(await run.adapter(), 'node');
      await run.close();
      const { losses, adapter: bytes, locations } = await inPage({ ep, batches }, join(root, 'net'));
      expect(losses.length).toBe(3);
      for (const [k, loss] of losses.entries())
        expect(Math.abs(loss / wanted[k]! - 1), `step ${k}`).toBeLessThan(bound);
      expect(locations.filter((location) => location === 'gpu-buffer')).toEqual(kept);
      const found = parseTensorFile(Uint8Array.from(bytes), 'page');
      expect(found.metadata).toEqual(adapter.metadata);
      for (const [name, { bytes: numbers }] of adapter.tensors) {
        const [a, b] = [found.tensors.get(name)!.bytes, numbers].map(
          (each) => new Float32Array(each.slice().buffer),
        );
        expect(relativeError(a!, b!), name).toBeLessThan(rest);
      }
    },
  );

  test('browser-swap: base, adapters and mix are those of Node', async () => {
    const adapters: Record<string, string> = {};
    for (const [k, name] of ['french', 'legal'].entries()) {
      const model = join(root, 'net', k === 0 ? 'model-0.onnx' : 'model-1.onnx');
      const words = ['--method', 'lora', '--rank', `${k + 2}`, '--factors', 'inputs', '-o', model];
      await done('rewrite', join(root, 'net/model.onnx'), '--target', 'all-linear', ...words);
      const file = model.replace('.onnx', '.safetensors');
      writeNoisy(file, file, 9 * k);
      adapters[name] = `/model-${k}.safetensors`;
    }
    const files = (name: string) => readFileSync(join(root, 'net', name));
    const session = await AdapterSession.open(files('model-0.onnx'), { ...NODE, files });
    const ids = Array.from({ length: 12 }, (_, k) => (5 * k) % 27);
    const feeds = {
      input_ids: { type: 'int64', data: ids, dims: [3, 4] },
      attention_mask: { type: 'float32', data: ids.map(() => 1), dims: [3, 4] },
    };
    const tensors = {
      input_ids: new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [3, 4]),
      attention_mask: new ort.Tensor('float32', new Float32Array(12).fill(1), [3, 4]),
    };
    const logits = async (choice: Parameters<typeof session.use>[0]) => {
      session.use(choice);
      return Float32Array.from((await session.run(tensors)).logits!.data as Float32Array);
    };
    for (const [name, address] of Object.entries(adapters)) await session.load(name, files(address.slice(1)));
    const wanted = {
      base: await logits(null),
      french: await logits('french'),
      legal: await logits('legal'),
      mix: await logits({ french: 0.5, legal: 0.5 }),
    };
    await session.close();
    const page = servedFiles(ROOT, join(root, 'net'));
    const found = (await answerOf(
      {
        script,
        job: { ep: 'wasm', feeds, adapters },
        files: (address) => page(address === '/model.onnx' ? '/model-0.onnx' : address),
      },
      { browser: browser! },
    )) as Record<string, number[]>;
    expect(Object.keys(found)).toEqual(Object.keys(wanted));
    for (const [name, values] of Object.entries(wanted))
      expect(relativeError(Float32Array.from(found[name]!), values), name).toBeLessThan(1e-5);
    expect(relativeError(wanted.mix, wanted.base)).toBeGreaterThan(1e-2);
  });
});
