import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { parseModel } from '../../src/ir/text/index.js';

/**
 * Makes one binary file for a golden case, whose input is text only. `# FILE: %t/cut.onnx onnx 40` gives
 * ['.../cut.onnx', 'onnx', '40'].
 *
 * - `onnx [length]`: the input as ONNX, cut after so many bytes (negative: so many bytes before the end)
 * - `bytes HEX`, `text TEXT`, `folder`, `link TARGET`
 */
export function makeFile([path, kind, argument]: readonly string[], input: string): void {
  switch (kind) {
    case 'onnx': {
      const bytes = encodeModel(parseModel(readFileSync(input, 'utf8'), input));
      writeFileSync(path!, argument === undefined ? bytes : bytes.subarray(0, Number(argument)));
      break;
    }
    case 'bytes':
      writeFileSync(path!, Buffer.from(argument ?? '', 'hex'));
      break;
    case 'text':
      writeFileSync(path!, argument ?? '');
      break;
    case 'folder':
      mkdirSync(path!);
      break;
    case 'link':
      symlinkSync(argument!, path!);
      break;
    default:
      throw new Error(`there is no file of kind ${kind}`);
  }
}
