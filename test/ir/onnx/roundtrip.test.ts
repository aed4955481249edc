import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ModelEncoder } from '../../../src/ir/onnx/graph-write.js';
import { readModel, readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { codeOf } from '../../support/code-of.js';
import { onnxFiles, sharedDir } from '../../support/shared.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-roundtrip-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const own = existsSync('test/data') ? onnxFiles('test/data') : [];
const shared = sharedDir();
const all = [
  ...own,
  ...(shared ? [...onnxFiles(join(shared, 'oracle')), ...onnxFiles(join(shared, 'models'))] : []),
];

/** Files that must be refused on reading, with the code. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['ort.test_arbitrary_external_file.onnx', 'LOTR1101'],
  ['trt.bad_graph_with_dup_value_info.onnx', 'LOTR1003'],
]);

describe.each(all.map((path) => [basename(path), path] as const))('%s', (name, path) => {
  const refused = REFUSED.get(name);
  if (refused) {
    test(`is refused with ${refused}`, () => expect(codeOf(() => readModel(path))).toBe(refused));
    return;
  }
  const bytes = readFileSync(path);

  test('read and written, it is the same bytes', () => {
    // in the model's own folder nothing moves; the scratch folder replaces it when there is no external data
    const model = readModel(path);
    const external = [...model.everyGraph()].some((graph) =>
      [...graph.initializers.values()].some((value) => value.constant!.carried?.external),
    );
    if (external) return expect(Buffer.compare(encodeUnedited(path), bytes)).toBe(0);
    const out = join(scratch, name);
    writeModel(model, out);
    expect(Buffer.compare(readFileSync(out), bytes)).toBe(0);
    rmSync(out);
  });

  test('encoded part by part from what it carries, it reads as the same model', () => {
    const model = readModel(path);
    model.touch();
    model.graph.touch();
    const chunks: Uint8Array[] = [];
    new ModelEncoder(() => null)
      .model(model)
      .writeTo({ write: (chunk) => chunks.push(Uint8Array.from(chunk)) });
    const again = Buffer.concat(chunks);
    // field order may differ from the producer's; the multiset of fields of model and graph may not
    expect(fieldSummary(again)).toEqual(fieldSummary(bytes));
  });
});

/** `planModel`'s shortcut for files whose external data lies next to them. */
function encodeUnedited(path: string): Uint8Array {
  return encodeModel(readModel(path));
}

/** Sorted list of the fields of the model message and of its graph, each as "number:bytes". */
function fieldSummary(bytes: Uint8Array): string[] {
  const list: string[] = [];
  for (const [field, body] of fields(bytes)) {
    if (field !== 7) list.push(`${field}:${hash(body)}`);
    else for (const [inner, part] of fields(body)) list.push(`7.${inner}:${hash(part)}`);
  }
  return list.sort();
}

function hash(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex').slice(0, 12);
}

/** A plain reading of the wire format, independent of the scanner under test. */
function* fields(bytes: Uint8Array): Generator<[number, Uint8Array]> {
  let pos = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[pos++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 128) return value;
    }
  };
  while (pos < bytes.length) {
    const tag = varint();
    const start = pos;
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) pos += 8;
    else if (wire === 5) pos += 4;
    else {
      const length = varint();
      yield [Math.floor(tag / 8), bytes.subarray(pos, pos + length)];
      pos += length;
      continue;
    }
    yield [Math.floor(tag / 8), bytes.subarray(start, pos)];
  }
}

test('there are files to check', () => expect(all.length).toBeGreaterThan(0));
test('an empty file and text are refused with the place', () => {
  expect(codeOf(() => readModelBytes(new Uint8Array(0)))).toBe('LOTR1001');
  expect(
    codeOf(() => readModelBytes(new TextEncoder().encode('version https://git-lfs.github.com/spec/v1'))),
  ).toBe('LOTR1001');
});
test('an output that is the input, also by a link, is refused', () => {
  const path = own[0] ?? all[0]!;
  const copy = join(scratch, 'same.onnx');
  copyFileSync(path, copy);
  expect(codeOf(() => writeModel(readModel(copy), copy))).toBe('LOTR1202');
  expect(existsSync(dirname(copy))).toBe(true);
  writeFileSync(join(scratch, 'other.txt'), 'x');
});
