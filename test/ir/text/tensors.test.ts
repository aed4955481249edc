import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { folderOf } from '../../../src/ir/files/disk-folder.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { ExternalData } from '../../../src/ir/onnx/external.js';
import { MemorySource } from '../../../src/ir/onnx/source.js';
import { f32Tensor, StringTensor, type TensorData } from '../../../src/ir/tensor.js';
import { parseModel, printModel } from '../../../src/ir/text/index.js';
import { codeOf } from '../../support/code-of.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-text-'));
afterAll(() => rmSync(folder, { recursive: true }));

const values = Array.from({ length: 15 }, (_, i) => i * 0.75 - 3);
const reference = f32Tensor([3, 5], values);
const data = join(folder, 'w.bin');
writeFileSync(data, Buffer.concat([Buffer.from('abc'), reference.bytes()]));

/** A model whose weight lies at byte 3 of a file. */
function stored(location = 'w.bin'): Model {
  const external = [
    ['location', location],
    ['offset', '3'],
    ['length', '60'],
  ] as const;
  const tensor = new ExternalData(folderOf(join(folder, 'm.onnx'))).tensor('f32', [3, 5], {
    source: new MemorySource(new Uint8Array(0)),
    start: 0,
    offset: 0,
    length: 0,
    unknown: [],
    name: 'w',
    docString: '',
    metadata: [],
    external,
  });
  return holding(tensor);
}

function holding(tensor: TensorData): Model {
  const graph = new Graph('g');
  graph.addInitializer('w', tensor);
  return new Model(graph);
}

const weight = (model: Model): TensorData => model.graph.initializers.get('w')!.constant!;
const line = (text: string): string => text.split('\n').find((found) => found.includes(' w ='))!;

describe('a tensor that lies in a file', () => {
  const text = printModel(stored(), { folder });

  test('prints its place and checksum', () => {
    expect(line(text)).toBe(
      `  float[3,5] w = ["location": "w.bin", "offset": "3", "length": "60", "checksum": "${reference.digest()}"]`,
    );
    expect(line(printModel(stored(), { locations: false }))).toBe(
      `  float[3,5] w = ["checksum": "${reference.digest()}"]`,
    );
    expect(line(printModel(stored(), { folder: join(folder, '..') }))).toMatch(
      /"location": "lotrc-text-\w+\/w\.bin"/,
    );
  });

  test('reads its bytes from the folder of the text', () => {
    const model = parseModel(text, join(folder, 'm.onnxtxt'));
    const tensor = weight(model);
    expect([tensor.dtype, tensor.shape, tensor.byteLength, tensor.digest()]).toEqual([
      'f32',
      [3, 5],
      60,
      reference.digest(),
    ]);
    expect(Buffer.compare(tensor.bytes(), reference.bytes())).toBe(0);
    expect(printModel(model, { folder: '/' })).toBe(text);
  });

  test('elsewhere it prints the same and refuses to be read', () => {
    for (const file of [undefined, join(folder, 'none', 'm.onnxtxt')]) {
      const model = parseModel(text, file);
      expect(printModel(model)).toBe(text);
      expect(codeOf(() => weight(model).bytes())).toBe(file ? 'LOTR1102' : 'LOTR1405');
    }
  });

  test('refuses data that changed, and places outside the folder', () => {
    const other = text.replace('"offset": "3"', '"offset": "2"');
    expect(codeOf(() => weight(parseModel(other, join(folder, 'm.onnxtxt'))).bytes())).toBe('LOTR1406');
    const outside = text.replace('"w.bin"', '"../w.bin"');
    expect(codeOf(() => weight(parseModel(outside, join(folder, 'm.onnxtxt'))).bytes())).toBe('LOTR1101');
  });

  test('a missing file leaves the checksum open', () => {
    const gone = printModel(stored('no.bin'), { folder });
    expect(line(gone)).toBe(
      '  float[3,5] w = ["location": "no.bin", "offset": "3", "length": "60", "checksum": "unavailable"]',
    );
    expect(printModel(parseModel(gone, join(folder, 'm.onnxtxt')))).toBe(gone);
  });
});

test('tensors in memory: 8 elements are shown, 9 are only stated', () => {
  const eight = printModel(holding(f32Tensor([8], values.slice(0, 8))));
  expect(line(eight)).toBe('  float[8] w = {-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25}');
  const nine = holding(f32Tensor([9], values.slice(0, 9)));
  const parsed = parseModel(printModel(nine));
  expect(weight(parsed).digest()).toBe(weight(nine).digest());
  expect(codeOf(() => weight(parsed).bytes())).toBe('LOTR1405');
});

test('a change of one weight changes one line', () => {
  const [a, b] = [0, 1].map((change) =>
    printModel(
      holding(
        f32Tensor(
          [15],
          values.map((v, i) => (i === 7 ? v + change : v)),
        ),
      ),
    ).split('\n'),
  );
  expect(a!.filter((found, i) => found !== b![i]).length).toBe(1);
});

test('more than 8 strings are stated, too', () => {
  const strings = new StringTensor(
    [9],
    Array.from({ length: 9 }, (_, i) => Buffer.from(`s${i}`)),
  );
  const parsed = parseModel(printModel(holding(strings)));
  expect(weight(parsed).digest()).toBe(strings.digest());
  expect(codeOf(() => weight(parsed).strings())).toBe('LOTR1405');
});
