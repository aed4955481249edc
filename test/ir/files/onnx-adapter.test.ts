import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  onnxAdapterOutput,
  readOnnxAdapter,
  readOnnxAdapterFrom,
  writeOnnxAdapter,
} from '../../../src/ir/files/onnx-adapter.js';
import { MemorySource } from '../../../src/ir/onnx/source.js';
import { f32Tensor, i64Tensor, MemoryTensor, StringTensor, type TensorData } from '../../../src/ir/tensor.js';
import { toF64 } from '../../../src/ir/values.js';
import { codeOf } from '../../support/code-of.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-onnx-adapter-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// written by onnxruntime 1.30 (Python AdapterFormat.export_adapter), versions 5 and 9
const BY_ONNXRUNTIME = Buffer.from(
  'DAAAAFRPUlQAAAAAPP///wEAAAAFAAAACQAAAAQAAAAEAAAAuAAAAGwAAAAwAAAABAAAAGT///8cAAAAFAAAAAEAAAAEAAAABAAAAAAAQEAAAAAAAQAAAHMA' +
    'AACM////LAAAABAAAAABAAAABAAAAAAAAAACAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAABAAAAegAAAMT///8wAAAAIAAAAAsAAAAEAAAAEAAAAAAAAAAAAPg/' +
    'AAAAAAAABEABAAAAAgAAAAAAAAABAAAAYgAAAAwAFAAEAAgADAAQAAwAAABAAAAAKAAAAAEAAAAEAAAAGAAAAAAAAAAAAIA/AAAAQAAAQEAAAIBAAACgQAIA' +
    'AAACAAAAAAAAAAMAAAAAAAAAAQAAAGEAAAA=',
  'base64',
);

const tensors = new Map<string, TensorData>([
  [
    'lotr/3x5/R',
    f32Tensor(
      [3, 5],
      Array.from({ length: 15 }, (_, i) => i / 7 - 1),
    ),
  ],
  ['odd', new MemoryTensor('u8', [3], Uint8Array.of(1, 2, 255))],
  ['steps', i64Tensor([2], [-1, 9007199254740993n])],
  ['scalar', f32Tensor([], [0.25])],
  ['empty', f32Tensor([0, 8], [])],
  ['ключ', new MemoryTensor('f16', [1, 3], Uint8Array.of(0, 63, 128, 64, 0, 60))],
]);

function written(): Buffer {
  const path = join(folder, 'a.onnx_adapter');
  writeOnnxAdapter(path, tensors, { adapter: 3, model: 7 });
  return readFileSync(path);
}

function code(bytes: Uint8Array): string {
  return codeOf(() => {
    const found = readOnnxAdapterFrom(new MemorySource(bytes));
    for (const data of found.tensors.values()) data.bytes();
  });
}

test('reads what ONNX Runtime wrote', () => {
  const found = readOnnxAdapterFrom(new MemorySource(BY_ONNXRUNTIME));
  expect([found.adapterVersion, found.modelVersion]).toEqual([5, 9]);
  expect([...found.tensors].map(([name, t]) => [name, t.dtype, t.shape, [...toF64(t)]])).toEqual([
    ['a', 'f32', [2, 3], [0, 1, 2, 3, 4, 5]],
    ['b', 'f64', [2], [1.5, 2.5]],
    ['z', 'f32', [0, 4], []],
    ['s', 'f32', [], [3]],
  ]);
});

describe('write then read', () => {
  test('values, order, types and versions survive; data is aligned', () => {
    written();
    const found = readOnnxAdapter(join(folder, 'a.onnx_adapter'));
    expect([found.adapterVersion, found.modelVersion]).toEqual([3, 7]);
    expect([...found.tensors.keys()]).toEqual([...tensors.keys()]);
    for (const [name, data] of tensors) {
      const read = found.tensors.get(name)!;
      expect([read.dtype, read.shape]).toEqual([data.dtype, data.shape]);
      expect(Buffer.from(read.bytes()).equals(data.bytes())).toBe(true);
      expect(read.origin.kind === 'file' && read.origin.offset % 8).toBe(0);
    }
  });

  test('the bytes are fixed', () => {
    const parts: Buffer[] = [];
    const write = () =>
      onnxAdapterOutput('x', tensors, { adapter: 3, model: 7 }).write({
        write: (chunk) => parts.push(Buffer.from(chunk)),
      });
    write();
    expect(Buffer.concat(parts).equals(written())).toBe(true);
    expect(written().subarray(0, 8).toString('hex')).toBe('14000000544f5254');
  });

  test('no parameters', () => {
    const parts: Buffer[] = [];
    onnxAdapterOutput('x', new Map()).write({ write: (chunk) => parts.push(Buffer.from(chunk)) });
    const found = readOnnxAdapterFrom(new MemorySource(Buffer.concat(parts)));
    expect([found.tensors.size, found.adapterVersion, found.modelVersion]).toEqual([0, 1, 1]);
  });

  test('strings, 4-bit elements and names that are not text are refused', () => {
    const refused = (name: string, data: TensorData) => () => onnxAdapterOutput('x', new Map([[name, data]]));
    expect(refused('s', new StringTensor([1], [Uint8Array.of(65)]))).toThrow('LOTR7003');
    expect(refused('n', new MemoryTensor('u4', [2], Uint8Array.of(1)))).toThrow('LOTR7003');
    expect(refused('\udc00', f32Tensor([1], [1]))).toThrow('LOTR7003');
  });
});

describe('malformed files', () => {
  const changed = (offset: number, value: number) => {
    const bytes = written();
    bytes.writeUInt32LE(value >>> 0, offset);
    return bytes;
  };
  const base = BY_ONNXRUNTIME;

  test('the table starts from a good file', () => expect(code(written())).toBe('none'));

  test.each<[string, () => Uint8Array, string]>([
    ['an empty file', () => new Uint8Array(0), 'LOTR7101'],
    [
      'another identifier',
      () => Buffer.from(base.toString('latin1').replace('TORT', 'TORU'), 'latin1'),
      'LOTR7101',
    ],
    ['a root beyond the end', () => changed(0, 1 << 30), 'LOTR7101'],
    ['a root into the header', () => changed(0, 1), 'LOTR7101'],
    ['a table description before the file', () => changed(20, 1000), 'LOTR7101'],
    ['a table description beyond the file', () => changed(20, -100_000), 'LOTR7101'],
    ['format version 2', () => changed(24, 2), 'LOTR7102'],
    ['a list beyond the end', () => changed(36, 1 << 20), 'LOTR7101'],
    ['a list of 2^30 parameters', () => changed(52, 1 << 30), 'LOTR7101'],
    ['a parameter beyond the end', () => changed(56, 1 << 20), 'LOTR7101'],
    ['one parameter twice', () => changed(60, written().readUInt32LE(56) - 4), 'LOTR7101'],
    ['a name beyond the end', () => changed(84, 1 << 20), 'LOTR7101'],
    ['an element type of strings', () => changed(92, 8), 'LOTR7101'],
    ['an unknown element type', () => changed(92, 99), 'LOTR7101'],
    ['another element type than the data has', () => changed(92, 11), 'LOTR7101'],
  ])('%s', (_, make, expected) => expect(code(make())).toBe(expected));

  test('no cut and no changed byte leads to anything but a result or a diagnostic', () => {
    for (const whole of [written(), BY_ONNXRUNTIME]) {
      for (let end = 0; end < whole.length; end++) {
        expect(['LOTR7101', 'none']).toContain(code(whole.subarray(0, end)));
      }
      for (let at = 0; at < whole.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const bytes = Buffer.from(whole);
          bytes[at] = value;
          expect(['LOTR7101', 'LOTR7102', 'none']).toContain(code(bytes));
        }
      }
    }
  });
});
