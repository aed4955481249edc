import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { answerOf } from '../../bench/gpu/browser.js';
import { bundledScript, servedFiles } from '../../bench/gpu/bundle-page.js';
import type { Value } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { chromium } from '../support/browser.js';
import { done, textClassifier } from '../support/classifier.js';
import { EVERYTHING } from '../support/everything.js';
import { compileHosts } from '../support/host.js';
import { writeNoisy } from '../support/noisy-adapter.js';
import { f32, relativeError, runOrt, type Tensor } from '../support/ort.js';
import { packedModel } from '../support/packed-layers.js';

/** The example browser-hybrid in Chromium: segments in onnxruntime-web, kernels between them. WebGPU there is SwiftShader. */

const ROOT = join(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'lotrc-hybrid-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const browser = EVERYTHING ? chromium() : null;

interface PageAnswer {
  readonly outputs: Readonly<Record<string, { readonly logits: { readonly data: readonly number[] } }>>;
  readonly refused: Readonly<Record<string, string>>;
}

/** What the page answers for an emitted model, with these feeds, another adapter and files that do not fit. */
async function onPage(
  feeds: Readonly<Record<string, Tensor>>,
  tokens: number,
  adapter: string,
  others: readonly string[],
): Promise<PageAnswer> {
  const script = await bundledScript(ROOT, join(ROOT, 'test/support/hybrid-page.mjs'), {
    'emitted-model': join(root, 'gpu/model.ts'),
  });
  const given = Object.entries(feeds).map(
    ([name, { dtype, shape, data }]) =>
      [name, { type: dtype, dims: shape, data: Array.from(data, Number) }] as const,
  );
  const job = { tokens, adapter, others, feeds: Object.fromEntries(given) };
  return (await answerOf(
    { script, job, files: servedFiles(ROOT, root) },
    { browser: browser! },
  )) as PageAnswer;
}

test.skipIf(browser === null)(
  'layers of 4 bits: outputs with and without an adapter are those of the plain graph',
  async () => {
    const how = { bits: 4, block: 32, scales: 'f32', zeros: 'u8', out: 40 } as const;
    const model = packedModel(how);
    const { graph } = model;
    const [q, k, o] = graph.outputs as [Value, Value, Value];
    const sum = (a: Value, b: Value, name: string) =>
      graph.append({ op: 'Add', inputs: [a, b], outputs: [name] }).outputs[0]!;
    graph.addOutput(sum(sum(q, k, 'qk'), o, 'logits'));
    for (const one of [q, k, o]) graph.removeOutput(one);
    const at = (name: string) => join(root, name);
    writeFileSync(at('packed.onnx'), encodeModel(model));
    const layers = ['q', 'k', 'o'].flatMap((name) => ['--target', name]);
    await done(
      'rewrite',
      at('packed.onnx'),
      '--rank',
      '4',
      '--scale',
      '3',
      ...layers,
      '-o',
      at('fresh.onnx'),
    );
    for (const [seed, name] of ['held', 'swapped'].entries()) {
      writeNoisy(at('fresh.safetensors'), at(`${name}.safetensors`), 9 * seed, 0.3);
      await done('apply', at('packed.onnx'), at(`${name}.safetensors`), '-o', at(`${name}.onnx`));
    }
    const emitting = [
      '-o',
      at('gpu'),
      '--for',
      'serve',
      '--tokens',
      '5',
      '--device',
      'software',
      '--segments',
    ];
    await done('emit', 'wgsl', at('held.onnx'), ...emitting);
    // the types of the module and of what runs it are right
    const files = ['index.ts', 'model.ts'].map((path) => ({
      path,
      text: readFileSync(at(`gpu/${path}`), 'utf8'),
    }));
    rmSync(compileHosts([files]).folder, { recursive: true });
    const feeds = { x: f32([5, 72], 3), z: f32([5, 72], 4) };
    const { outputs } = await onPage(feeds, 5, '/swapped.safetensors', []);
    const wanted: Record<string, string> = {
      held: 'held.onnx',
      swapped: 'swapped.onnx',
      base: 'packed.onnx',
    };
    for (const [name, file] of Object.entries(wanted)) {
      const { logits } = await runOrt(readFileSync(at(file)), feeds);
      expect(relativeError(outputs[name]!.logits.data, logits!.data), name).toBeLessThan(1e-4);
    }
    expect(relativeError(outputs.held!.logits.data, outputs.swapped!.logits.data)).toBeGreaterThan(1e-2);
  },
);

test.skipIf(browser === null)(
  'browser-hybrid: outputs with the adapter of the model, with another and with none are those of the plain graph',
  async () => {
    const { model: base } = await textClassifier(join(root, 'net'));
    const at = (name: string) => join(root, name);
    const layers = ['--target', 'hidden', '--target', 'head'];
    await done('rewrite', base, '--rank', '3', '--scale', '3', ...layers, '-o', at('fresh.onnx'));
    await done('rewrite', base, '--rank', '2', '--scale', '3', ...layers, '-o', at('other.onnx'));
    for (const [k, name] of ['held', 'swapped'].entries()) {
      writeNoisy(at('fresh.safetensors'), at(`${name}.safetensors`), 9 * k, 0.3);
      await done('apply', base, at(`${name}.safetensors`), '-o', at(`${name}.onnx`));
    }
    // the pooled rows of a batch are fewer than the rows of its tokens
    await done(
      'emit',
      'wgsl',
      at('held.onnx'),
      '-o',
      at('gpu'),
      '--for',
      'serve',
      '--tokens',
      '12',
      '--segments',
    );
    const feeds: Record<string, Tensor> = {
      input_ids: {
        dtype: 'int64',
        shape: [3, 4],
        data: Array.from({ length: 12 }, (_, k) => (5 * k) % 27) as never,
      },
      attention_mask: { dtype: 'float32', shape: [3, 4], data: Array.from({ length: 12 }, (_, k) => k % 5) },
    };
    const typed = Object.fromEntries(
      Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
        name,
        {
          dtype,
          shape,
          data:
            dtype === 'int64'
              ? BigInt64Array.from(data as number[], BigInt)
              : Float32Array.from(data as number[]),
        },
      ]),
    );
    const { outputs, refused } = await onPage(feeds, 12, '/swapped.safetensors', [
      '/other.safetensors',
      '/gpu/plan.txt',
    ]);
    const wanted: Record<string, string> = { held: at('held.onnx'), swapped: at('swapped.onnx'), base };
    expect(Object.keys(outputs)).toEqual(Object.keys(wanted));
    for (const [name, file] of Object.entries(wanted)) {
      const { logits } = await runOrt(readFileSync(file), typed);
      expect(relativeError(outputs[name]!.logits.data, logits!.data), name).toBeLessThan(1e-4);
    }
    expect(relativeError(outputs.held!.logits.data, outputs.swapped!.logits.data)).toBeGreaterThan(1e-2);
    expect(refused).toEqual({
      '/other.safetensors': expect.stringMatching(/another rank than the model/),
      '/gpu/plan.txt': expect.stringMatching(/not a safetensors file/),
      rows: expect.stringMatching(/reads 3 rows: open the model with tokens: 3/),
    });
  },
);
