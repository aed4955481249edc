import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { DType } from '../../../src/ir/dtype.js';
import { readSafetensors, safetensorsOutput, writeSafetensors } from '../../../src/ir/files/safetensors.js';
import { readSafetensorsFrom } from '../../../src/ir/files/safetensors-format.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { MemorySource } from '../../../src/ir/onnx/source.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import {
  ComputedTensor,
  f32Tensor,
  i64Tensor,
  MemoryTensor,
  StringTensor,
  type TensorData,
} from '../../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../../src/ir/values.js';
import { codeOf } from '../../support/code-of.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let serial = 0;
const fresh = () => join(folder, `${serial++}.safetensors`);

/** A file of a header text and data bytes. */
function file(header: string | Uint8Array, data = 0, length?: bigint): Uint8Array {
  const json = Buffer.from(header);
  const out = Buffer.alloc(8 + json.length + data, 7);
  out.writeBigUInt64LE(length ?? BigInt(json.length));
  out.set(json, 8);
  return out;
}

describe('write then read', () => {
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
    ['ключ "quoted"\\', new MemoryTensor('bf16', [1, 2], Uint8Array.of(0, 63, 128, 64))],
  ]);
  const metadata = { 'lotrc.adapters': '{"version":1}', note: 'é' };

  test('values, order, types and metadata survive', () => {
    const path = fresh();
    writeSafetensors(path, tensors, metadata);
    const back = readSafetensors(path);
    expect(back.metadata).toEqual(metadata);
    expect([...back.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, data] of tensors) {
      const read = back.tensors.get(name)!;
      expect(read.dtype).toBe(data.dtype);
      expect(read.shape).toEqual(data.shape);
      expect(Buffer.from(read.bytes()).equals(data.bytes())).toBe(true);
      expect(read.origin).toMatchObject({ kind: 'file', path });
    }
    expect(toF32(back.tensors.get('lotr/3x5/R')!)[14]).toBe(1);
    expect(toIntegers(back.tensors.get('steps')!)[0]).toBe(-1);
  });

  test('the bytes are fixed: padding, order, offsets', () => {
    const path = fresh();
    writeSafetensors(
      path,
      new Map([
        ['b', f32Tensor([1], [1])],
        ['a', f32Tensor([2], [2, 3])],
      ]),
      { k: 'v', 10: 'x', a: 'b' },
    );
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(bytes.subarray(8, 8 + length).toString()).toBe(
      '{"__metadata__":{"10":"x","a":"b","k":"v"},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'.padEnd(
        length,
      ),
    );
    expect([...new Float32Array(Uint8Array.from(bytes.subarray(8 + length)).buffer)]).toEqual([1, 2, 3]);
  });

  test('no tensors and no metadata', () => {
    const path = fresh();
    writeSafetensors(path, new Map());
    expect(readSafetensors(path)).toEqual({ tensors: new Map(), metadata: {} });
  });

  test('a failing tensor leaves nothing behind', () => {
    const path = fresh();
    const broken = new ComputedTensor('f32', [2], 'test', () => {
      throw new Error('no values');
    });
    expect(() => writeSafetensors(path, new Map([['w', broken]]))).toThrow('no values');
    expect(readdirSync(folder).some((name) => name.includes(path.split('/').at(-1)!))).toBe(false);
  });

  test('a file may be rewritten from its own tensors', () => {
    const path = fresh();
    writeSafetensors(path, tensors, metadata);
    const before = readFileSync(path);
    const read = readSafetensors(path);
    writeSafetensors(
      path,
      new Map([...tensors.keys()].map((name) => [name, read.tensors.get(name)!])),
      read.metadata,
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('tensors of a file can become initializers', () => {
    const path = fresh();
    const values = Array.from({ length: 37 * 11 }, (_, i) => Math.fround(i / 3));
    writeSafetensors(path, new Map([['w', f32Tensor([37, 11], values)]]));
    const graph = new Graph('g');
    const model = new Model(graph);
    model.setOpset('', 17);
    const w = graph.addInitializer('w', readSafetensors(path).tensors.get('w')!);
    const y = graph.append({ op: 'Identity', inputs: [w], outputs: ['y'] }).outputs[0]!;
    graph.addOutput(y);
    const out = join(folder, 'model.onnx');
    writeModel(model, out);
    expect([...toF32(readModel(out).graph.initializers.get('w')!.constant!)]).toEqual(values);
  });

  test.each<[string, TensorData]>([
    ['text', new StringTensor([1], [Uint8Array.of(65)])],
    ['nibbles', new MemoryTensor('i4' as DType, [2], Uint8Array.of(18))],
    ['__metadata__', f32Tensor([1], [1])],
    ['half \ud800 pair', f32Tensor([1], [1])],
  ])('refuses to store %s', (name, data) => {
    expect(codeOf(() => safetensorsOutput('x', new Map([[name, data]])))).toBe('LOTR7003');
  });
});

describe('what others write', () => {
  test('header order other than data order, padding, unknown keys of an entry', () => {
    const header =
      '{"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"a":{"shape":[3],"dtype":"I8","data_offsets":[0,3],"x":null}}  \n';
    const { tensors } = readSafetensorsFrom(new MemorySource(file(header, 5)));
    expect([...tensors.keys()]).toEqual(['a', 'b']);
    expect(tensors.get('b')!.shape).toEqual([2]);
  });

  test('8-bit floats are carried', () => {
    const header = '{"w":{"dtype":"F8_E4M3","shape":[5],"data_offsets":[0,5]}}';
    expect(readSafetensorsFrom(new MemorySource(file(header, 5))).tensors.get('w')!.dtype).toBe('f8e4m3fn');
  });

  test('names that collide with object prototypes', () => {
    const header =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"p"}}';
    const { tensors, metadata } = readSafetensorsFrom(new MemorySource(file(header, 1)));
    expect([...tensors.keys()]).toEqual(['__proto__']);
    expect(Object.entries(metadata)).toEqual([['__proto__', 'p']]);
  });
});

describe('malformed files', () => {
  const entry = (dtype: string, shape: string, offsets: string) =>
    `{"w":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;
  const good = entry('F32', '[2]', '[0,8]');

  test('the table starts from a good file', () => {
    expect(readSafetensorsFrom(new MemorySource(file(good, 8))).tensors.size).toBe(1);
  });

  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['an empty file', new Uint8Array(0), 'less than the header length'],
    ['seven bytes', new Uint8Array(7), 'less than the header length'],
    ['a header length of zero', file('', 0), 'does not start with "{"'],
    ['a header length above the limit', file(good, 8, 100_000_001n), 'limit'],
    ['a header length of 2^64-1', file(good, 8, 2n ** 64n - 1n), 'limit'],
    ['a header beyond the end', file(good, 0, 1000n), 'ends at'],
    ['a header that starts with a space', file(` ${good}`, 8), 'does not start with "{"'],
    ['a header that starts with a byte order mark', file(`\ufeff${good}`, 8), 'does not start with "{"'],
    ['a header cut short', file(good.slice(0, -1), 8), 'not proper JSON'],
    ['text after the header', file(`${good}x`, 8), 'text after the end'],
    ['zero padding instead of spaces', file(`${good}\0`, 8), 'text after the end'],
    [
      'bytes that are not UTF-8',
      file(Buffer.concat([Buffer.from('{"'), Buffer.of(0xff), Buffer.from(good.slice(2))]), 8),
      'not UTF-8',
    ],
    ['a tensor named twice', file(`${good.slice(0, -1)},${good.slice(1)}`, 8), 'appears twice'],
    ['an entry that is not an object', file('{"w":[1]}'), 'not an object'],
    ['no dtype', file('{"w":{"shape":[2],"data_offsets":[0,8]}}', 8), 'no "dtype"'],
    ['no shape', file('{"w":{"dtype":"F32","data_offsets":[0,8]}}', 8), '"shape"'],
    ['no offsets', file('{"w":{"dtype":"F32","shape":[2]}}', 8), '"data_offsets"'],
    ['three offsets', file(entry('F32', '[2]', '[0,8,8]'), 8), '"data_offsets"'],
    ['a negative dimension', file(entry('F32', '[-2]', '[0,8]'), 8), '"shape"'],
    ['a fractional dimension', file(entry('F32', '[2.5]', '[0,10]'), 10), '"shape"'],
    ['a dimension beyond 2^53', file(entry('F32', '[1e300]', '[0,8]'), 8), '"shape"'],
    ['a shape whose product overflows', file(entry('U8', '[4294967296,4294967296]', '[0,0]')), 'takes'],
    ['a negative offset', file(entry('F32', '[2]', '[-8,0]')), '"data_offsets"'],
    ['an end before the begin', file(entry('F32', '[2]', '[8,0]'), 8), 'before it begins'],
    ['a length that does not fit the shape', file(entry('F32', '[3]', '[0,8]'), 8), 'takes 12 bytes'],
    ['data beyond the end of the file', file(good, 4), 'take 8 bytes'],
    ['data after the last tensor', file(good, 9), 'the file has 9'],
    ['data before the first tensor', file(entry('F32', '[2]', '[4,12]'), 12), 'no tensor'],
    [
      'two tensors over the same bytes',
      file(`${good.slice(0, -1)},"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
      'overlaps',
    ],
    [
      'a hole between tensors',
      file(`${good.slice(0, -1)},"v":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}}`, 10),
      'no tensor',
    ],
    ['metadata that is not an object', file('{"__metadata__":"text"}'), '__metadata__'],
    ['metadata with a number', file('{"__metadata__":{"k":1}}'), 'not a string'],
    ['deep nesting', file(`{"w":${'['.repeat(5000)}`), 'nested deeper'],
    ['a text', Buffer.from('a text that is longer than a header\n'), 'limit'],
    [
      'a Git LFS pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      'a Git LFS pointer',
    ],
  ];

  test.each(cases)('%s', (_, bytes, reason) => {
    const action = () => readSafetensorsFrom(new MemorySource(bytes));
    expect(codeOf(action)).toBe('LOTR7001');
    expect(action).toThrow(reason);
  });

  test('an unknown element type is named', () => {
    const action = () => readSafetensorsFrom(new MemorySource(file(entry('F6_E2M3', '[2]', '[0,8]'), 8)));
    expect(codeOf(action)).toBe('LOTR7002');
    expect(action).toThrow('F6_E2M3');
  });

  test('a file that is not there, and a folder', () => {
    expect(codeOf(() => readSafetensors(join(folder, 'absent')))).toBe('LOTR1002');
    expect(codeOf(() => readSafetensors(folder))).toBe('LOTR1002');
  });

  test('every cut of a good file is refused', () => {
    const path = fresh();
    writeSafetensors(path, new Map([['w', f32Tensor([2, 3], [1, 2, 3, 4, 5, 6])]]), { a: 'b' });
    const whole = readFileSync(path);
    for (let end = 0; end < whole.length; end++) {
      const cut = fresh();
      writeFileSync(cut, whole.subarray(0, end));
      expect(codeOf(() => readSafetensors(cut))).toBe('LOTR7001');
      rmSync(cut);
    }
  });
});
