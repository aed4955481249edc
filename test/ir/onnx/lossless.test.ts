import protobuf from 'protobufjs/minimal.js';
import { describe, expect, test } from 'vitest';
import type { Model } from '../../../src/ir/model.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';
import { encodeModel } from '../../../src/ir/onnx/writer.js';

type Writer = protobuf.Writer;
type Field = (w: Writer) => void;

const tag = (field: number) => (field << 3) | 2;
const str =
  (field: number, value: string): Field =>
  (w) =>
    w.uint32(tag(field)).string(value);
const int =
  (field: number, value: number): Field =>
  (w) =>
    w.uint32(field << 3).int64(value);
const msg =
  (field: number, ...inner: Field[]): Field =>
  (w) => {
    w.uint32(tag(field)).fork();
    for (const part of inner) part(w);
    w.ldelim();
  };
/** A field of no ONNX version, holding a text that names the message it is in. */
const future = (where: string): Field => str(3000, `future:${where}`);

const MARKS = [
  'model',
  'graph',
  'node',
  'attribute',
  'tensor',
  'input',
  'output',
  'info',
  'type',
  'opset',
  'metadata',
  'function',
  'function-node',
  'quantization',
  'sparse',
  'training',
  'device',
  'inner-graph',
  'inner-node',
] as const;

/** A model in which every kind of message holds a field unknown to lotrc, in an order no exporter uses. */
function model(): Uint8Array {
  const tensorType = msg(2, future('type'), msg(1, int(1, 1), msg(2, msg(1, int(1, 3)))));
  const w = protobuf.Writer.create();
  const parts: Field[] = [
    future('model'),
    int(1, 13),
    msg(8, str(1, ''), int(2, 17), future('opset')),
    msg(14, str(1, 'k'), str(2, 'v'), future('metadata')),
    msg(20, future('training')),
    msg(26, future('device')),
    msg(
      25,
      str(1, 'F'),
      future('function'),
      str(10, 'local'),
      str(4, 'a'),
      str(5, 'b'),
      msg(7, future('function-node'), str(1, 'a'), str(2, 'b'), str(4, 'Relu')),
      msg(9, int(2, 17)),
    ),
    msg(
      7,
      future('graph'),
      msg(14, future('quantization'), str(1, 'x')),
      msg(15, msg(1, int(1, 1), int(2, 1), str(8, 'sparse'), str(9, 'abcd')), future('sparse')),
      msg(12, str(1, 'y'), future('output'), tensorType),
      msg(11, future('input'), str(1, 'x'), tensorType),
      msg(13, str(1, 'h'), future('info'), tensorType),
      msg(5, future('tensor'), int(1, 3), int(2, 1), str(9, 'abcdefghijkl'), str(8, 'w')),
      msg(
        1,
        future('node'),
        str(1, 'x'),
        str(1, 'w'),
        str(2, 'h'),
        str(4, 'Add'),
        str(3, 'n'),
        msg(5, str(1, 'a'), future('attribute'), int(3, 7), int(20, 2)),
      ),
      msg(
        1,
        str(4, 'If'),
        str(1, 'h'),
        str(2, 'y'),
        msg(
          5,
          str(1, 'then_branch'),
          int(20, 5),
          msg(
            6,
            future('inner-graph'),
            msg(12, str(1, 'z')),
            msg(1, future('inner-node'), str(1, 'h'), str(2, 'z'), str(4, 'Neg')),
          ),
        ),
      ),
      str(2, 'g'),
    ),
  ];
  for (const part of parts) part(w);
  return w.finish();
}

function kept(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString('latin1');
  return MARKS.filter((mark) => text.includes(`future:${mark}`));
}

const find = (m: Model, op: string) => [...m.everyNode()].find((node) => node.op === op)!;

/** Edits of every kind of object; each must keep every unknown field of the model. */
const EDITS: readonly (readonly [string, (m: Model) => void])[] = [
  ['nothing', () => {}],
  ['model metadata', (m) => m.setMetadata('new', 'entry')],
  ['an operator set', (m) => m.setOpset('lotrc', 1)],
  ['a node name', (m) => find(m, 'Add').rename('other')],
  ['a node attribute', (m) => find(m, 'Add').setAttr('b', { kind: 'int', value: 1 })],
  ['a value name', (m) => m.graph.own('h')!.rename('hidden')],
  ['an input name', (m) => m.graph.own('x')!.rename('input')],
  ['an output name', (m) => m.graph.own('y')!.rename('output')],
  ['an initializer name', (m) => m.graph.own('w')!.rename('weight')],
  ['a node in a subgraph', (m) => find(m, 'Neg').rename('inner')],
  ['a node in a function', (m) => find(m, 'Relu').rename('body')],
];

describe('fields of the future survive', () => {
  test('the case holds them all', () => expect(kept(model())).toEqual([...MARKS]));
  test.each(EDITS)('an edit of %s', (_name, edit) => {
    const m = readModelBytes(model());
    edit(m);
    expect(kept(encodeModel(m))).toEqual([...MARKS]);
    expect(kept(encodeModel(m, { canonical: true }))).toEqual([...MARKS]);
  });
});

test('an edit is written: the new names are there and the old ones are not', () => {
  const m = readModelBytes(model());
  m.graph.own('h')!.rename('renamed-value');
  const again = readModelBytes(encodeModel(m));
  expect(again.graph.own('h')).toBeUndefined();
  const value = again.graph.own('renamed-value')!;
  expect([...value.uses].map(({ node }) => node.op).sort()).toEqual(['If', 'Neg']);
});
