import { mutateText } from './mutate-text.js';
import {
  childKind,
  clone,
  decode,
  encode,
  type Field,
  isMessage,
  type Kind,
  type Message,
  messages,
  varintBytes,
} from './proto.js';
import type { Random } from './random.js';
import { aLocation, anInt, aText, changedBytes } from './values.js';

type Mutation = (random: Random, root: Message, others: readonly Message[]) => void;

/** A changed copy of an ONNX file: one to five mutations of its structure, and now and then of its bytes. */
export function mutateModel(random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  return mutateMessage(random, random.pick(seeds), 'Model', seeds);
}

/** The same of another message; parts come from `seeds` too. */
export function mutateMessage(
  random: Random,
  seed: Uint8Array,
  kind: Kind,
  seeds: readonly Uint8Array[],
): Uint8Array {
  const root = decode(seed, kind);
  const others = [decode(random.pick(seeds), kind)];
  for (let left = 1 + random.below(5); left > 0; left--) random.pick(MUTATIONS)(random, root, others);
  const bytes = encode(root);
  if (!random.chance(0.12)) return bytes;
  return changedBytes(random, bytes);
}

function field(number: number, wire: number, payload: Field['payload']): Field {
  return { number, wire, payload, lie: 0, padding: 0 };
}

function aMessage(random: Random, root: Message, kind?: Kind): Message | null {
  const list = [...messages(root)].filter((found) => !kind || found.kind === kind);
  return list.length === 0 ? null : random.pick(list);
}

/** A message with at least one field. */
function aFilled(random: Random, root: Message): Message | null {
  const list = [...messages(root)].filter(({ fields }) => fields.length > 0);
  return list.length === 0 ? null : random.pick(list);
}

function isText(payload: Field['payload']): payload is Uint8Array {
  return payload instanceof Uint8Array && payload.byteLength < 200;
}

function texts(root: Message): string[] {
  const found: string[] = [];
  for (const { kind, fields } of messages(root)) {
    if (kind !== 'Node' && kind !== 'Info' && kind !== 'Tensor') continue;
    for (const { payload, wire } of fields)
      if (wire === 2 && isText(payload)) found.push(Buffer.from(payload).toString());
  }
  return found;
}

const drop: Mutation = (random, root) => {
  const message = aFilled(random, root);
  message?.fields.splice(random.below(message.fields.length), 1);
};

const duplicate: Mutation = (random, root) => {
  const message = aFilled(random, root);
  if (!message) return;
  const chosen = random.pick(message.fields);
  for (let left = random.chance(0.02) ? 300 : 1 + random.below(3); left > 0; left--) {
    const { payload } = chosen;
    const copy = { ...chosen, payload: isMessage(payload) ? clone(payload) : payload };
    message.fields.splice(random.below(message.fields.length + 1), 0, copy);
  }
};

const swap: Mutation = (random, root) => {
  const message = aFilled(random, root);
  if (!message) return;
  const { fields } = message;
  const [a, b] = [random.below(fields.length), random.below(fields.length)];
  [fields[a], fields[b]] = [fields[b]!, fields[a]!];
};

const renumber: Mutation = (random, root) => {
  const message = aFilled(random, root);
  if (!message) return;
  random.pick(message.fields).number = random.chance(0.9)
    ? 1 + random.below(26)
    : random.pick([0, 2 ** 29 - 1, 2 ** 29, 2 ** 32, 2 ** 45]);
};

const rewire: Mutation = (random, root) => {
  const message = aFilled(random, root);
  if (message) random.pick(message.fields).wire = random.below(8);
};

const lie: Mutation = (random, root) => {
  const message = aFilled(random, root);
  if (!message) return;
  const chosen = random.pick(message.fields);
  chosen.lie = random.pick([1, -1, 2, -4, 100, 2 ** 20, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31)]);
};

const pad: Mutation = (random, root) => {
  const message = aFilled(random, root);
  if (message) random.pick(message.fields).padding = 1 + random.below(12);
};

const integer: Mutation = (random, root) => {
  const fields = [...messages(root)]
    .flatMap((message) => message.fields)
    .filter(({ payload }) => typeof payload === 'bigint');
  if (fields.length > 0) random.pick(fields).payload = anInt(random);
};

const text: Mutation = (random, root) => {
  const known = texts(root);
  const fields = [...messages(root)]
    .filter(({ kind }) => kind !== 'Tensor' || random.chance(0.3))
    .flatMap((message) => message.fields)
    .filter(({ payload, wire }) => wire === 2 && isText(payload));
  if (fields.length > 0) random.pick(fields).payload = Buffer.from(aText(random, known));
};

const payload: Mutation = (random, root) => {
  const fields = [...messages(root)]
    .flatMap((message) => message.fields)
    .filter((found) => found.payload instanceof Uint8Array);
  if (fields.length === 0) return;
  const chosen = random.pick(fields);
  if (chosen.payload instanceof Uint8Array) chosen.payload = changedBytes(random, chosen.payload);
};

/** Dimensions of a tensor, as packed or single varints. */
const dims: Mutation = (random, root) => {
  const tensor = aMessage(random, root, 'Tensor');
  if (!tensor) return;
  const list = Array.from({ length: random.chance(0.02) ? 5000 : random.below(5) }, () => anInt(random));
  tensor.fields.splice(0, tensor.fields.length, ...tensor.fields.filter(({ number }) => number !== 1));
  if (random.chance(0.5)) tensor.fields.push(...list.map((dim) => field(1, 0, dim)));
  else tensor.fields.push(field(1, 2, Buffer.concat(list.map((dim) => varintBytes(dim, 0)))));
};

const external: Mutation = (random, root) => {
  const tensor = aMessage(random, root, 'Tensor');
  if (!tensor) return;
  const entry = (key: string, value: string): Field =>
    field(13, 2, {
      kind: 'Entry',
      fields: [field(1, 2, Buffer.from(key)), field(2, 2, Buffer.from(value))],
    });
  const number = () => (random.chance(0.3) ? aText(random, []) : String(anInt(random)));
  if (random.chance(0.8))
    tensor.fields.splice(0, tensor.fields.length, ...tensor.fields.filter(({ number: n }) => n !== 9));
  tensor.fields.push(field(14, 0, random.chance(0.9) ? 1n : anInt(random)));
  tensor.fields.push(entry('location', aLocation(random)));
  if (random.chance(0.5)) tensor.fields.push(entry('offset', number()));
  if (random.chance(0.5)) tensor.fields.push(entry('length', number()));
};

/** Puts a part of another file, of the same kind mostly, in the place of a part of this one. */
const splice: Mutation = (random, root, others) => {
  const parent = aFilled(random, root);
  if (!parent) return;
  const chosen = random.pick(parent.fields);
  const kind = random.chance(0.85) ? (childKind(parent.kind, chosen.number) ?? undefined) : undefined;
  const found = aMessage(random, random.chance(0.5) ? root : random.pick(others), kind);
  if (found) Object.assign(chosen, { payload: clone(found), wire: 2 });
};

/** Nests a graph in attributes of itself, or a type in sequences: from one level to thousands, beyond any stack. */
const nest: Mutation = (random, root) => {
  const depth = random.chance(0.7) ? 1 + random.below(5) : random.pick([60, 64, 65, 66, 200, 1500]);
  const info = random.chance(0.5) ? aMessage(random, root, 'Info') : null;
  const parent = info ?? aMessage(random, root, 'Graph');
  if (!parent) return;
  const [place, level] = info ? [2, sequence(random)] : [1, branch(random)];
  const at = parent.fields.find(({ number }) => number === place);
  // bytes, since a tree of such depth could not be encoded by recursion
  let bytes = info ? (at && isMessage(at.payload) ? encode(at.payload) : Buffer.alloc(0)) : encode(parent);
  for (let i = 0; i < depth; i++) bytes = level(bytes);
  if (info && at) at.payload = bytes;
  else parent.fields.push(...decode(bytes, 'Opset').fields.map((node) => ({ ...node, number: place })));
};

/** A type as the element of a sequence or optional. */
function sequence(random: Random): (type: Buffer) => Buffer {
  const number = random.pick([4, 9]);
  return (type) => bytesOf('Type', field(number, 2, bytesOf('Sequence', field(1, 2, type))));
}

/** A graph as the attribute of a node, which is all of a graph. */
function branch(random: Random): (graph: Buffer) => Buffer {
  const name = Buffer.from(random.pick(['then_branch', 'else_branch', 'body', '']));
  const op = Buffer.from(random.pick(['If', 'Loop', 'Scan', 'X']));
  return (graph) => {
    const attribute = bytesOf('Attribute', field(1, 2, name), field(6, 2, graph), field(20, 0, 5n));
    return bytesOf('Graph', field(1, 2, bytesOf('Node', field(4, 2, op), field(5, 2, attribute))));
  };
}

function bytesOf(kind: Kind, ...fields: Field[]): Buffer {
  return encode({ kind, fields });
}

/** Gives an input or output of a node the name of another value: cycles, second definitions, types that do not fit. */
const reconnect: Mutation = (random, root) => {
  const known = texts(root);
  const node = aMessage(random, root, 'Node');
  if (!node || known.length === 0) return;
  const edges = node.fields.filter(({ number }) => number === 1 || number === 2);
  if (edges.length > 0) random.pick(edges).payload = Buffer.from(random.pick(known));
  else node.fields.push(field(1 + random.below(2), 2, Buffer.from(random.pick(known))));
};

const operator: Mutation = (random, root) => {
  const node = aMessage(random, root, 'Node');
  const op = node?.fields.find(({ number }) => number === 4);
  if (op) op.payload = Buffer.from(aText(random, []));
};

/** Changes the JSON that lotrc keeps in a model's metadata. */
const plan: Mutation = (random, root) => {
  for (const { payload } of root.fields) {
    if (!isMessage(payload) || payload.kind !== 'Entry') continue;
    const json = payload.fields.find(
      (entry) => entry.payload instanceof Uint8Array && entry.payload[0] === 0x7b,
    );
    if (!json || !(json.payload instanceof Uint8Array)) continue;
    const old = Buffer.from(json.payload).toString();
    json.payload = Buffer.from(mutateText(random, old, [old]));
  }
};

const MUTATIONS: readonly Mutation[] = [
  ...[drop, drop, duplicate, swap, renumber, rewire, lie, pad, integer, integer, text, text, payload, dims],
  ...[external, splice, splice, nest, reconnect, reconnect, operator, plan],
];
