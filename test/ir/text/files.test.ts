import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel, readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../../src/ir/text/index.js';
import { onnxFiles, sharedDir } from '../../support/shared.js';
import { fieldsOf } from './fields.js';

const shared = sharedDir();
const files = [
  ...onnxFiles(join(import.meta.dirname, '../../data/text')),
  ...(shared ? [...onnxFiles(join(shared, 'oracle')), ...onnxFiles(join(shared, 'models'))] : []),
];

/** Files whose reader refuses them have no model to print. */
function readable(path: string): Model | null {
  try {
    return readModel(path);
  } catch (error) {
    if (error instanceof LotrcError) return null;
    throw error;
  }
}

describe.each(files.map((path) => [basename(path), path] as const))('%s', (_name, path) => {
  const model = readable(path);
  test.skipIf(model === null)('its text parses to the same fields and prints the same', () => {
    const text = printModel(model!);
    expect(text).toMatch(/^[\x20-\x7e\n]*\n$/);
    const parsed = parseModel(text, path);
    expect(fieldsOf(parsed)).toEqual(fieldsOf(model!));
    expect(printModel(parsed) === text).toBe(true);
  });
  test.skipIf(model === null)('what is read from its text can be written as ONNX', () => {
    const parsed = parseModel(printModel(model!), path);
    let written: Uint8Array;
    try {
      written = encodeModel(parsed);
    } catch (error) {
      // data that no file next to the text holds
      if (error instanceof LotrcError) return expect(error.diagnostics[0]!.code).toMatch(/LOTR1102|LOTR1405/);
      throw error;
    }
    expect(fieldsOf(readModelBytes(written), false)).toEqual(fieldsOf(model!, false));
  });
});

test('nearly all files can be read', () => {
  expect(files.filter((path) => readable(path) === null).length).toBeLessThan(4);
});
