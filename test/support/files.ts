import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { parseModel } from '../../src/ir/text/index.js';

/**
 * Makes one binary file for a golden case, whose input is text only. `# FILE: %t/cut.onnx onnx 40` gives
 * ['.../cut.onnx', 'onnx', '40'].
 *
 * - `onnx [length]`: the input as ONNX, cut after this many bytes (negative: this many bytes before the end)
 * - `onnx-with FROM TO`: the input as ONNX, after replacing a text in it
 * - `onnx-and HEX`: the input as ONNX, followed by these bytes
 * - `nested DEPTH`: a model of If nodes inside each other
 * - `safetensors [HEADER]`: a file with that JSON header and no data
 * - `bytes HEX`, `text TEXT`, `folder`, `link TARGET`
 */
export function makeFile([path, kind, argument, second]: readonly string[], input: string): void {
  const onnx = (text: string) => encodeModel(parseModel(text, input));
  // without directives, which hold the texts that are to be replaced
  const text = readFileSync(input, 'utf8').replace(/^#.*\n/gm, '');
  switch (kind) {
    case 'onnx':
      writeFileSync(path!, onnx(text).subarray(0, argument === undefined ? undefined : Number(argument)));
      break;
    case 'onnx-with':
      if (!text.includes(argument!)) throw new Error(`${argument} is not in the input`);
      writeFileSync(path!, onnx(text.replace(argument!, second!)));
      break;
    case 'onnx-and':
      writeFileSync(path!, Buffer.concat([onnx(text), Buffer.from(argument!, 'hex')]));
      break;
    case 'nested':
      writeFileSync(path!, nested(Number(argument)));
      break;
    case 'safetensors': {
      const header = Buffer.from(argument ?? '{}');
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.byteLength));
      writeFileSync(path!, Buffer.concat([length, header]));
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

/** A length-delimited protobuf field. */
function field(number: number, body: Uint8Array): Buffer {
  const varint: number[] = [];
  for (let rest = body.byteLength; ; rest = Math.floor(rest / 128)) {
    varint.push(rest < 128 ? rest : (rest % 128) | 128);
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint]), body]);
}

/** ModelProto.graph = 7, GraphProto.node = 1, NodeProto.op_type = 4, .attribute = 5, AttributeProto.name = 1, .g = 6. */
function nested(depth: number): Buffer {
  let graph: Buffer = Buffer.alloc(0);
  for (let level = 0; level < depth; level++) {
    const branch = Buffer.concat([field(1, Buffer.from('then_branch')), field(6, graph)]);
    graph = field(1, Buffer.concat([field(4, Buffer.from('If')), field(5, branch)]));
  }
  return field(7, graph);
}
