import { mutateText } from './mutate-text.js';
import type { Random } from './random.js';
import { anInt, aText, changedBytes } from './values.js';

type Shape = 'leaf' | 'list' | 'object';

/**
 * JSON as a tree of texts, which can hold what no writer of JSON makes: a key twice, 1e999, NaN. Nodes never change; a change
 * copies the nodes above it, and the others keep their texts.
 */
export class JsonTree {
  /** nodes of the tree */
  readonly size: number;
  #text: string | null;

  private constructor(
    readonly shape: Shape,
    readonly items: readonly JsonTree[],
    /** of an object: its keys, as JSON */
    readonly keys: readonly string[],
    leaf: string | null,
  ) {
    this.#text = leaf;
    this.size = items.reduce((sum, { size }) => sum + size, 1);
  }

  static leaf(text: string): JsonTree {
    return new JsonTree('leaf', [], [], text);
  }

  static list(items: readonly JsonTree[]): JsonTree {
    return new JsonTree('list', items, [], null);
  }

  static object(keys: readonly string[], items: readonly JsonTree[]): JsonTree {
    return new JsonTree('object', items, keys, null);
  }

  static of(value: unknown): JsonTree {
    if (Array.isArray(value)) return JsonTree.list(value.map((item) => JsonTree.of(item)));
    if (typeof value !== 'object' || value === null) return JsonTree.leaf(JSON.stringify(value));
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return JsonTree.object(
      entries.map(([key]) => JSON.stringify(key)),
      entries.map(([, item]) => JsonTree.of(item)),
    );
  }

  static parse(text: string): JsonTree {
    return JsonTree.of(JSON.parse(text));
  }

  get text(): string {
    if (this.#text !== null) return this.#text;
    const parts = this.items.map(({ text }, i) => (this.shape === 'list' ? text : `${this.keys[i]}:${text}`));
    return (this.#text = this.shape === 'list' ? `[${parts.join(',')}]` : `{${parts.join(',')}}`);
  }

  /** The same container with other items. */
  with(items: readonly JsonTree[], keys = this.keys): JsonTree {
    return new JsonTree(this.shape, items, keys, null);
  }

  /** Node number `k`, the root being number 0. */
  at(k: number): JsonTree {
    if (k === 0) return this;
    let rest = k - 1;
    for (const item of this.items) {
      if (rest < item.size) return item.at(rest);
      rest -= item.size;
    }
    throw new Error(`there is no node ${k}`);
  }

  /** The tree with another container above node `k`, which is not 0: `edit` gets the container and the place in it. */
  edit(k: number, edit: (parent: JsonTree, index: number) => JsonTree): JsonTree {
    let rest = k - 1;
    for (const [i, item] of this.items.entries()) {
      if (rest === 0) return edit(this, i);
      if (rest < item.size) return this.with(this.items.with(i, item.edit(rest, edit)));
      rest -= item.size;
    }
    throw new Error(`there is no node ${k}`);
  }

  /** The tree with another node `k`. */
  replace(k: number, by: JsonTree): JsonTree {
    return k === 0 ? by : this.edit(k, (parent, i) => parent.with(parent.items.with(i, by)));
  }
}

/** A changed JSON text: one to four mutations of its structure, now and then of its characters or bytes. */
export function mutateJson(random: Random, seed: JsonTree, others: readonly JsonTree[]): Uint8Array {
  let tree = seed;
  for (let left = 1 + random.below(4); left > 0; left--) tree = mutateTree(random, tree, others);
  const { text } = tree;
  if (random.chance(0.05)) return Buffer.from(mutateText(random, text, [text]));
  const bytes = Buffer.from(random.chance(0.02) ? `\ufeff${text}` : text);
  return random.chance(0.04) ? changedBytes(random, bytes) : bytes;
}

/** One mutation of a tree. */
function mutateTree(random: Random, root: JsonTree, others: readonly JsonTree[]): JsonTree {
  const k = random.below(root.size);
  const node = root.at(k);
  const choice = random.below(12);
  if (choice < 5 || k === 0) return root.replace(k, changed(random, node, root, others));
  if (choice < 7) return root.edit(k, without);
  if (choice === 7) return root.replace(k, wrapped(random, node));
  if (choice === 8) {
    const other = random.chance(0.6) ? root : random.pick(others);
    return root.replace(k, other.at(random.below(other.size)));
  }
  return root.edit(k, (parent, i) =>
    choice === 9 ? inserted(random, parent, i) : rekeyed(random, parent, i),
  );
}

function without(parent: JsonTree, i: number): JsonTree {
  const keep = (_: unknown, at: number) => at !== i;
  return parent.with(parent.items.filter(keep), parent.keys.filter(keep));
}

/** A key that a careless program trips over, or one that is there already. */
function aKey(random: Random, known: readonly string[]): string {
  const names = known.filter((key) => key.length < 60).map((key) => JSON.parse(key) as string);
  return JSON.stringify(random.chance(0.3) ? random.pick(KEYS) : aText(random, names));
}

const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  '__metadata__',
  '0',
];

/** One more entry after place `i`: a copy of the entry there, or a strange value. */
function inserted(random: Random, parent: JsonTree, i: number): JsonTree {
  const value = random.chance(0.4) ? parent.items[i]! : strange(random);
  const items = parent.items.toSpliced(i + 1, 0, value);
  if (parent.shape === 'list') {
    const copies = random.chance(0.05) ? 500 : 0;
    return parent.with([...items, ...Array.from({ length: copies }, () => value)]);
  }
  const key = random.chance(0.4) ? parent.keys[i]! : aKey(random, parent.keys);
  return parent.with(items, parent.keys.toSpliced(i + 1, 0, key));
}

function rekeyed(random: Random, parent: JsonTree, i: number): JsonTree {
  if (parent.shape === 'object')
    return parent.with(parent.items, parent.keys.with(i, aKey(random, parent.keys)));
  const other = random.below(parent.items.length);
  return parent.with(parent.items.with(i, parent.items[other]!).with(other, parent.items[i]!));
}

function wrapped(random: Random, node: JsonTree): JsonTree {
  const depth = random.chance(0.7) ? 1 : random.pick([2, 63, 64, 65, 200, 6000]);
  const list = random.chance(0.5);
  if (depth > 200) {
    const [open, close] = list ? ['[', ']'] : ['{"a":', '}'];
    return JsonTree.leaf(`${open.repeat(depth)}${node.text}${close.repeat(depth)}`);
  }
  let made = node;
  for (let i = 0; i < depth; i++) made = list ? JsonTree.list([made]) : JsonTree.object(['"a"'], [made]);
  return made;
}

/** Another value in place of a node: mostly of its kind. */
function changed(random: Random, node: JsonTree, root: JsonTree, others: readonly JsonTree[]): JsonTree {
  if (random.chance(0.25)) return strange(random);
  if (node.shape === 'leaf') {
    const { text } = node;
    if (text.startsWith('"') && text.length > 1) return JsonTree.leaf(changedString(random, text));
    if (/^-?\d/.test(text)) return JsonTree.leaf(aNumber(random));
    return strange(random);
  }
  if (random.chance(0.2)) return node.with([], []);
  if (random.chance(0.1)) return JsonTree.of(node.items.map(({ shape }) => shape));
  const other = random.chance(0.7) ? root : random.pick(others);
  return other.at(random.below(other.size));
}

function changedString(random: Random, text: string): string {
  const known = safely(text);
  const at = random.below(known.length + 1);
  const piece = random.chance(0.3) ? random.pick(PATTERNS) : aText(random, [known]);
  switch (random.below(4)) {
    case 0:
      return JSON.stringify(piece);
    case 1:
      return JSON.stringify(known.slice(0, at) + piece + known.slice(at));
    case 2:
      return JSON.stringify(known.slice(0, at) + known.slice(at + 1 + random.below(4)));
    default:
      return JSON.stringify(random.chance(0.9) ? known + piece : known.repeat(1 + random.below(300)));
  }
}

function safely(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}

/** Parts of regular expressions, templates and lists. */
const PATTERNS = [
  ...[
    '(a+)+$',
    '(',
    '[',
    '\\p{L}+',
    '(?<x>a)\\k<x>',
    '\\',
    '.*',
    '(?i)',
    '(?=a)',
    '\\u{110000}',
    '$A',
    '<unk>',
  ],
  ...[
    '{{',
    '{%',
    '{% for i in range(9) %}',
    '{{ x.y }}',
    '%}',
    '<s>',
    '</s>',
    '\ud800',
    'ab',
    '|',
    ',',
    ':',
    '->',
  ],
];

function aNumber(random: Random): string {
  return random.chance(0.75) ? String(anInt(random)) : random.pick(NUMBERS);
}

const NUMBERS = [
  '1e999',
  '-1e999',
  '1e-999',
  '0.5',
  '-0.0',
  '1.5',
  '1e308',
  '00',
  'NaN',
  'Infinity',
  '0x10',
  '+1',
  '1.',
];

function strange(random: Random): JsonTree {
  const choice = random.below(8);
  if (choice === 0) return JsonTree.leaf(aNumber(random));
  if (choice === 1) return JsonTree.leaf(JSON.stringify(aText(random, [])));
  if (choice === 2)
    return JsonTree.object([JSON.stringify(random.pick(KEYS))], [JsonTree.leaf('{"polluted":1}')]);
  return JsonTree.leaf(
    random.pick(['null', 'true', 'false', '0', '-1', '""', '[]', '{}', '[null]', '[[]]', '1']),
  );
}
