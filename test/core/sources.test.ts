import { describe, expect, test } from 'vitest';
import { TRAIN_DEFAULTS } from '../../src/backends/onnx-train/options.js';
import { openModel, readGiven } from '../../src/core/models.js';
import { RangeSource } from '../../src/core/ranges.js';
import { openSource, type SourceInput } from '../../src/core/sources.js';
import { emitIntoMemory } from '../../src/core/training.js';
import { outputBytes } from '../../src/ir/files/output-bytes.js';
import { Graph, Model } from '../../src/ir/model.js';
import { encodeModel, planEncoding } from '../../src/ir/onnx/plan-output.js';
import { readModelBytes } from '../../src/ir/onnx/read.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { rewrite } from '../../src/rewrite.js';
import { noise } from '../support/ort.js';

const BLOCK = 256 << 10;

/** A source of counted bytes, and the requests that reach it. */
function counted(size: number): {
  source: RangeSource;
  requests: [number, number][];
  at: (k: number) => number;
} {
  const requests: [number, number][] = [];
  const at = (k: number) => (k * 31 + (k >> 8)) & 0xff;
  const source = new RangeSource('<counted>', size, (offset, length) => {
    requests.push([offset, length]);
    const bytes = new Uint8Array(length);
    for (let k = 0; k < length; k++) bytes[k] = at(offset + k);
    return bytes;
  });
  return { source, requests, at };
}

describe('a source that is read in parts', () => {
  test('gives the bytes of any range', () => {
    const size = 3 * BLOCK + 1234;
    const { source, at } = counted(size);
    for (const [offset, length] of [
      [0, 1],
      [BLOCK - 1, 2],
      [5, 2 * BLOCK],
      [size - 7, 7],
      [size, 0],
      [1, size - 1],
    ] as const) {
      const bytes = source.read(offset, length);
      expect(bytes.byteLength).toBe(length);
      expect(bytes.every((byte, k) => byte === at(offset + k))).toBe(true);
    }
    expect(() => source.read(size - 1, 2)).toThrow('LOTR1001');
    expect(() => source.read(-1, 1)).toThrow('LOTR1001');
  });

  test('asks for each block once, and for more at a time when it is read forward', () => {
    const { source, requests } = counted(16 * BLOCK);
    for (let at = 0; at < 8 * BLOCK; at += 1000) source.read(at, 1000);
    expect(requests).toEqual([
      [0, BLOCK],
      [BLOCK, 2 * BLOCK],
      [3 * BLOCK, 4 * BLOCK],
      [7 * BLOCK, 8 * BLOCK],
    ]);
    source.read(2 * BLOCK, 10);
    expect(requests.length).toBe(4);
  });

  test('does not keep what a large read gave, nor more blocks than 128', () => {
    const { source, requests } = counted(200 * BLOCK);
    source.read(0, 20 * BLOCK);
    expect(requests).toEqual([[0, 20 * BLOCK]]);
    for (let block = 0; block < 130; block++) source.read((199 - block) * BLOCK, 1);
    expect(requests.length).toBe(131);
    source.read(199 * BLOCK, 1);
    expect(requests.length).toBe(132);
    source.read(70 * BLOCK, 1);
    expect(requests.length).toBe(132);
  });
});

/** x -> MatMul -> y, whose weight lies in a file of that name, and the bytes of that file. */
function external(location: string): {
  readonly bytes: Uint8Array;
  readonly data: Uint8Array;
  readonly values: Float32Array;
} {
  const values = Float32Array.from(noise(37 * 11, 5));
  const graph = new Graph('net');
  const x = graph.addInput('x', tensorType('f32', ['rows', 37]));
  const weight = graph.addInitializer('fc.weight', f32Tensor([37, 11], values));
  const y = graph.append({ op: 'MatMul', name: '/fc/MatMul', inputs: [x, weight], outputs: ['y'] })
    .outputs[0]!;
  y.setType(tensorType('f32', ['rows', 11]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  // the file of the weights is the model itself
  const data = encodeModel(model);
  const [output] = planEncoding(readModelBytes(data), 'model.onnx', {
    mode: 'link',
    canonical: false,
    within: () => location,
  }).outputs;
  return { bytes: outputBytes(output!), data, values };
}

const weightOf = (model: Model): Float32Array => toF32(model.graph.initializers.get('fc.weight')!.constant!);

describe('a model that is given', () => {
  test('is read from bytes, buffers, Blobs, Files and URLs, and has their names', async () => {
    const { data, values } = external('w.bin');
    const url = `data:application/octet-stream;base64,${Buffer.from(data).toString('base64')}`;
    const inputs: readonly (readonly [SourceInput, string])[] = [
      [data, '<model.onnx>'],
      [data.slice().buffer, '<model.onnx>'],
      [new Blob([data]), '<model.onnx>'],
      [new File([data], 'café.onnx'), '<café.onnx>'],
      [url, '<model.onnx>'],
      [new URL(url), '<model.onnx>'],
      [await openSource(data, 'mine'), '<mine>'],
    ];
    for (const [input, path] of inputs) {
      const { source, read } = await openModel(input);
      expect(source.path).toBe(path);
      expect(weightOf(read())).toEqual(values);
      expect(read()).not.toBe(read());
    }
    expect((await openModel(data, { name: 'a.onnx' })).name).toBe('a.onnx');
  });

  test('has its external data by the names that it gives', async () => {
    const { bytes, data, values } = external('inner/w.bin');
    const model = await readGiven(bytes, { files: { './inner/../inner/w.bin': new Blob([data]) } });
    expect(weightOf(model)).toEqual(values);
  });

  test('refuses external data that was not given when it is needed, and says what was', async () => {
    const { bytes, data } = external('w.bin');
    const without = await readGiven(bytes);
    expect(() => weightOf(without)).toThrow(/LOTR1102.*no files were given/s);
    const other = await readGiven(bytes, { files: { 'v.bin': data } });
    expect(() => weightOf(other)).toThrow(/LOTR1102.*the files given are v\.bin/s);
    const short = await readGiven(bytes, { files: { 'w.bin': data.subarray(0, 200) } });
    expect(() => weightOf(short)).toThrow(/LOTR1102.*the file has 200/s);
  });

  test.each(['../w.bin', 'a/../../w.bin', '/w.bin', 'C:w.bin', 'a/..', ''])(
    'refuses external data at %j when it is read',
    async (location) => {
      const { bytes, data } = external(location);
      await expect(readGiven(bytes, { files: { 'w.bin': data } })).rejects.toThrow('LOTR1101');
    },
  );

  test('refuses what is not a model, and an URL that cannot be read', async () => {
    await expect(readGiven(new Blob(['<!DOCTYPE html><p>no']))).rejects.toThrow(/LOTR1001.*an HTML page/s);
    await expect(readGiven(new Uint8Array(0))).rejects.toThrow('LOTR1001');
    await expect(readGiven('http://127.0.0.1:1/m.onnx')).rejects.toThrow(/LOTR1002.*<m\.onnx>/s);
  });
});

describe('a training directory in memory', () => {
  test('refers to external data under its names, and never takes the name of a graph', async () => {
    const { bytes, data } = external('w.bin');
    const opened = await openModel(bytes, { name: 'step.onnx', files: { 'w.bin': data } });
    const { files, base, signature } = emitIntoMemory({
      open: () => {
        const model = opened.read();
        rewrite(model, { rank: 2, targets: ['fc'] });
        return model;
      },
      options: TRAIN_DEFAULTS,
    });
    expect([...base.keys()]).toEqual(['w.bin']);
    expect(signature.base.map(({ location }) => location)).toEqual(['w.bin']);
    const step = await readGiven(files.get('step.onnx')!, { files: { 'w.bin': data } });
    expect(
      [...step.graph.initializers.values()].some(
        ({ constant }) => constant?.origin.kind === 'file' && constant.origin.path === '<w.bin>',
      ),
    ).toBe(true);

    const named = await openModel(data, { name: 'step.onnx' });
    const renamed = emitIntoMemory({
      open: () => {
        const model = named.read();
        rewrite(model, { rank: 2, targets: ['fc'] });
        return model;
      },
      options: TRAIN_DEFAULTS,
    });
    expect([...renamed.base.keys()]).toEqual(['base1-step.onnx']);
    expect(renamed.files.has('step.onnx')).toBe(true);
  });
});
