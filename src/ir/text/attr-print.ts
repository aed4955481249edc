import type { Attr, HeldAttr, Int } from '../attr.js';
import { toHex } from '../bytes.js';
import { dtypeText } from '../dtype.js';
import type { Graph } from '../model.js';
import type { TensorData } from '../tensor.js';
import { labelOf } from '../tensor-label.js';
import { f32Text } from './numbers.js';
import { quoteBytes, wordText } from './strings.js';
import { type TensorTextOptions, tensorText } from './tensor.js';
import { attrTypeText } from './types.js';

/** How a nested graph is printed. */
export type GraphText = (graph: Graph) => string;

/**
 * One attribute. Types are left out where the value tells them: `1` is an int, `1.0` a float. They are written before
 * references, empty lists and lists of tensors, which the value alone does not tell apart.
 */
export function printAttr(
  name: string,
  attr: Attr | HeldAttr,
  options: TensorTextOptions,
  graph: GraphText,
): string {
  const id = wordText(name);
  const list = (type: string, items: readonly string[]): string =>
    items.length === 0 ? `${id}: ${type} = []` : `${id} = [${items.join(', ')}]`;
  switch (attr.kind) {
    case 'float':
      return `${id} = ${f32Text(attr.value)}`;
    case 'int':
      return `${id} = ${intText(attr.value)}`;
    case 'string':
      return `${id} = ${quoteBytes(attr.value)}`;
    case 'tensor':
      return `${id} = ${tensorAttr(attr.value, options)}`;
    case 'graph':
      return `${id} = ${graph(attr.value)}`;
    case 'floats':
      return list('floats', attr.value.map(f32Text));
    case 'ints':
      return list('ints', attr.value.map(intText));
    case 'strings':
      return list('strings', attr.value.map(quoteBytes));
    case 'tensors':
      return list(
        'tensors',
        attr.value.map((tensor) => tensorAttr(tensor, options)),
      );
    case 'graphs':
      return list('graphs', attr.value.map(graph));
    case 'ref':
      return `${id}: ${attrTypeText(attr.type)} = @${wordText(attr.name)}`;
    case 'raw':
      return `${id}: ${attrTypeText(attr.type)} = proto("${toHex(rawBytes(attr))}")`;
  }
}

/** The AttributeProto of an attribute that the IR does not model. */
function rawBytes(attr: HeldAttr): Uint8Array {
  const { carried } = attr;
  return carried ? carried.source.read(carried.offset, carried.length) : new Uint8Array(0);
}

function intText(value: Int): string {
  return typeof value === 'number' && !Number.isSafeInteger(value) ? String(BigInt(value)) : String(value);
}

/** `float[2] name {1.0, 2.0}`; `=` before a list of entries, where ONNX's grammar wants it. */
function tensorAttr(tensor: TensorData, options: TensorTextOptions): string {
  const text = tensorText(tensor, options);
  const { name } = labelOf(tensor);
  const shape = tensor.shape.length === 0 ? '' : `[${tensor.shape.join(',')}]`;
  return [
    `${dtypeText(tensor.dtype)}${shape}`,
    ...(name === '' ? [] : [wordText(name)]),
    ...(text.startsWith('[') ? ['='] : []),
    text,
  ].join(' ');
}
