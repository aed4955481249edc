import { expect, test } from 'vitest';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../../src/ir/text/index.js';

test('the name of a tensor in an attribute is written into the ONNX file', () => {
  const text =
    '<ir_version: 9, opset_import: ["" : 17]>\ng () => (float[2] c)\n{\n  c = Constant <value = float[2] half {1.5, -2.5}> ()\n}\n';
  const model = parseModel(text, 'labels.onnxtxt');
  const again = readModelBytes(encodeModel(model));
  expect(printModel(again)).toBe(printModel(model));
  expect(printModel(again)).toContain('float[2] half {1.5, -2.5}');
});
