import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { printModel } from '../../src/ir/text/index.js';
import { done } from '../support/classifier.js';
import { noise } from '../support/ort.js';

/** `lotrc/core` as a bundler packs it for a browser: its size, what it needs, and the bytes that it makes. */

const ROOT = resolve(import.meta.dirname, '../..');
const BUILT = process.env.LOTRC_BUILT === '1';
const CORE = join(ROOT, BUILT ? 'dist/src/core.js' : 'src/core.ts');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-core-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A program that exports names of the core, minified. */
async function bundle(name: string, names: string): Promise<string> {
  const entry = join(folder, `${name}.entry.js`);
  writeFileSync(entry, `export ${names} from ${JSON.stringify(CORE)};`);
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: ROOT,
    // the build is bundled as users do it: package.json says what `#platform` is for browsers
    resolve: BUILT ? {} : { alias: { '#platform': join(ROOT, 'src/platform/web.ts') } },
    build: {
      write: false,
      target: 'es2023',
      minify: true,
      modulePreload: false,
      rolldownOptions: {
        input: entry,
        preserveEntrySignatures: 'strict',
        output: { format: 'es', codeSplitting: false },
      },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  expect(output.length).toBe(1);
  expect(output[0].imports).toEqual([]);
  return output[0].code;
}

const gzipped = (code: string): number => gzipSync(code, { level: 9 }).byteLength;

interface Job {
  readonly form: 'bytes' | 'buffer' | 'file' | 'blob';
  readonly name: string;
  readonly rewrittenName: string;
  readonly bytes: Uint8Array;
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly rewrite: object;
  /** initial values of LoRA with the scale 3; null: the method and values that are usual */
  readonly init: string | null;
}

interface Made {
  readonly before: string;
  readonly rewritten: Uint8Array;
  readonly factors: Uint8Array;
  readonly merged: Uint8Array;
  readonly layers: number;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly base: readonly (readonly [string, number])[];
}

interface Answer {
  readonly failed?: string;
  /** kinds of the globals of Node */
  readonly globals: readonly string[];
  readonly answers: readonly Made[];
}

/** What a bundle makes in a thread without the globals of Node. */
function inWorker(code: string, jobs: readonly Job[]): Promise<Answer> {
  const file = join(folder, 'core.mjs');
  writeFileSync(file, code);
  const worker = new Worker(join(ROOT, 'test/support/core-worker.mjs'), {
    workerData: { bundle: pathToFileURL(file).href, jobs },
  });
  return new Promise((made, refuse) => {
    worker.on('error', refuse);
    worker.on('exit', (status) => refuse(new Error(`the thread ended with ${status}`)));
    worker.on('message', (answer: Answer) => {
      if (answer.failed === undefined) made(answer);
      else refuse(new Error(answer.failed));
    });
  });
}

/** The file of the weights of a model with external data. */
const DATA = 'weights.bin';

/** A model with a hidden layer of odd extents, whose weights may lie in a file of their own. */
function smallModel(path: string, external: boolean): void {
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['rows', 37]));
  const layer = (name: string, from: typeof x, rows: number, columns: number) =>
    graph.append({
      op: 'MatMul',
      name: `/${name}/MatMul`,
      inputs: [
        from,
        graph.addInitializer(`${name}.weight`, f32Tensor([rows, columns], noise(rows * columns, rows))),
      ],
      outputs: [`${name}_out`],
    }).outputs[0]!;
  const hidden = layer('été', x, 37, 53);
  const active = graph.append({ op: 'Tanh', name: '/Tanh', inputs: [hidden], outputs: ['active'] })
    .outputs[0]!;
  const logits = layer('head', active, 53, 7);
  logits.rename('logits');
  logits.setType(tensorType('f32', ['rows', 7]));
  graph.addOutput(logits);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  if (!external) {
    writeModel(model, path);
    return;
  }
  const data = join(dirname(path), DATA);
  writeModel(model, data);
  writeModel(readModel(data), path, { weights: 'link' });
}

describe('lotrc/core in a bundle for browsers', () => {
  let all = '';
  beforeAll(async () => {
    all = await bundle('all', '*');
  });

  test('has no module of Node', () => {
    expect(all.match(/.{0,40}["'`]node:\w.{0,40}/g)).toBeNull();
    // what Vite puts in place of modules that browsers lack
    expect(all).not.toContain('__vite-browser-external');
  });

  test('takes at most 300 kB, and `rewrite` alone at most 150 kB, when compressed', async () => {
    const rewrite = gzipped(await bundle('rewrite', '{ rewrite }'));
    const readOnly = gzipped(await bundle('read', '{ readModel, encodeModel }'));
    const whole = gzipped(all);
    console.log(
      `lotrc/core: ${whole} bytes, rewrite alone ${rewrite}, reading and writing ${readOnly} (gzip)`,
    );
    expect(whole).toBeLessThanOrEqual(300_000);
    expect(rewrite).toBeLessThanOrEqual(150_000);
    expect(readOnly).toBeLessThanOrEqual(60_000);
  });

  test('makes the bytes that the commands write', async () => {
    const cases = [
      { name: 'charlm', form: 'file', words: ['--rank', '5'], rewrite: { rank: 5 }, external: false },
      {
        name: 'small',
        form: 'bytes',
        words: ['--rank', '3', '--method', 'lora', '--scale', '3', '--init', 'svd'],
        rewrite: { rank: 3 },
        init: 'svd',
        external: false,
      },
      {
        name: 'data',
        form: 'blob',
        words: ['--rank', '2', '--seed', '7'],
        rewrite: { rank: 2, seed: 7 },
        external: true,
      },
      {
        name: 'buffer',
        form: 'buffer',
        words: ['--rank', '2', '--lowering', 'token'],
        rewrite: { rank: 2, lowering: 'token' },
        external: false,
      },
    ] as const;
    const jobs: Job[] = [];
    for (const { name, form, rewrite, external, ...more } of cases) {
      const own = join(folder, name);
      mkdirSync(own);
      const path = join(own, 'model.onnx');
      if (name === 'charlm') writeFileSync(path, readFileSync(join(ROOT, 'models/charlm/charlm.onnx')));
      else smallModel(path, external);
      jobs.push({
        form,
        name: 'model.onnx',
        rewrittenName: 'model.lotr.onnx',
        bytes: readFileSync(path),
        ...(external ? { files: { [DATA]: readFileSync(join(own, DATA)) } } : {}),
        rewrite,
        init: 'init' in more ? more.init : null,
      });
    }
    const { globals, answers } = await inWorker(all, jobs);
    expect(globals).toEqual(['undefined', 'undefined', 'undefined']);
    for (const [index, { name, words }] of cases.entries()) {
      const own = join(folder, name);
      const path = join(own, 'model.onnx');
      const { before, rewritten, factors, merged, layers, files, base } = answers[index]!;
      expect(before, name).toBe(printModel(readModel(path), { locations: false }));
      const out = join(own, 'model.lotr.onnx');
      const adapter = join(own, 'adapter.safetensors');
      await done('rewrite', path, ...words, '--weights', 'inline', '-o', out, '--adapter', adapter);
      expect(Buffer.compare(rewritten, readFileSync(out)), name).toBe(0);
      expect(Buffer.compare(factors, readFileSync(adapter)), name).toBe(0);
      expect(layers, name).toBeGreaterThan(0);
      await done('merge', out, '--adapter', adapter, '-o', join(own, 'merged.onnx'));
      expect(Buffer.compare(merged, readFileSync(join(own, 'merged.onnx'))), name).toBe(0);
      const train = join(own, 'train');
      await done('emit', 'onnx-train', out, '-o', train);
      const wanted = readdirSync(train).sort();
      expect([...files.keys(), ...base.map(([file]) => file)].sort(), name).toEqual(wanted);
      for (const [file, bytes] of files) {
        expect(Buffer.compare(bytes, readFileSync(join(train, file))), `${name} ${file}`).toBe(0);
      }
      expect(base, name).toEqual([['model.lotr.onnx', readFileSync(out).byteLength]]);
    }
  });
});
