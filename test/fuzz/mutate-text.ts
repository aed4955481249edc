import type { Random } from './random.js';
import { anInt, aText, changedBytes } from './values.js';

/** A changed text: tokens dropped, doubled, exchanged or replaced, lines of another text, brackets in thousands. */
export function mutateText(random: Random, source: string, others: readonly string[]): string {
  let tokens: string[] = source.match(/\s+|[\p{L}\p{N}_.:/-]+|"(?:[^"\\]|\\.)*"|./gsu) ?? [];
  for (let left = 1 + random.below(6); left > 0; left--) tokens = change(random, tokens, others);
  return tokens.join('');
}

function change(random: Random, tokens: readonly string[], others: readonly string[]): string[] {
  const list = [...tokens];
  const at = random.below(list.length + 1);
  const span = random.below(4) === 0 ? random.below(list.length - at + 1) : 1;
  switch (random.below(9)) {
    case 0:
      list.splice(at, span);
      return list;
    case 1:
      return [...list.slice(0, at + span), ...list.slice(at)];
    case 2: {
      const other = random.below(list.length + 1);
      const [a, b] = [list[at] ?? '', list[other] ?? ''];
      if (at < list.length) list[at] = b;
      if (other < list.length) list[other] = a;
      return list;
    }
    case 3:
      list.splice(at, 1, String(anInt(random)));
      return list;
    case 4:
      list.splice(at, 1, aText(random, list));
      return list;
    case 5:
      list.splice(at, 0, JSON.stringify(aText(random, list)));
      return list;
    case 6:
      list.splice(at, 0, random.pick(SIGNS).repeat(random.chance(0.1) ? 5000 : 1));
      return list;
    case 7: {
      const lines = random.pick(others).split('\n');
      list.splice(at, 0, `${random.pick(lines)}\n`);
      return list;
    }
    default:
      return list.slice(0, random.chance(0.5) ? at : list.length);
  }
}

const SIGNS = [
  ...['(', ')', '{', '}', '[', ']', '<', '>', '=>', '=', ',', ':', ';', '"', "'", '\\', '#', '#@'],
  ...['seq(', 'optional(', '{"a":', '[[', 'g = () => () {', '-', '+', '.', '1e999', '\0', '\ud800', '?'],
];

/** A changed safetensors file: its JSON header as text, the length before it, and its data. */
export function mutateSafetensors(random: Random, seed: Uint8Array): Uint8Array {
  const view = new DataView(seed.buffer, seed.byteOffset);
  const end = 8 + Number(view.getBigUint64(0, true));
  const old = Buffer.from(seed.subarray(8, end)).toString();
  const header = Buffer.from(random.chance(0.8) ? mutateText(random, old, [old]) : old);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt.asUintN(64, random.chance(0.9) ? BigInt(header.byteLength) : anInt(random)));
  const data = seed.subarray(end);
  return Buffer.concat([prefix, header, random.chance(0.3) ? changedBytes(random, data) : data]);
}

/** A changed FlatBuffers file: words of it become other offsets and lengths. */
export function mutateFlat(random: Random, seed: Uint8Array): Uint8Array {
  const copy = Buffer.from(seed);
  for (let left = 1 + random.below(4); left > 0; left--) {
    const width = random.pick([2, 4, 8]);
    const at = random.below(Math.max(1, copy.byteLength - width));
    const value = BigInt.asUintN(
      8 * width,
      random.chance(0.5) ? anInt(random) : BigInt(random.below(copy.byteLength)),
    );
    for (let i = 0; i < width && at + i < copy.byteLength; i++)
      copy[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }
  return random.chance(0.2) ? changedBytes(random, copy) : copy;
}
