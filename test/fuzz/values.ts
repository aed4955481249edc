import type { Random } from './random.js';

/** Integers at which something overflows, wraps, or turns negative. */
const INTS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 4n, 7n, 16n, 127n, 128n, 255n, 65535n, 65536n, 70_000_000n],
  ...[-1n, -2n, -(2n ** 31n), -(2n ** 32n), -(2n ** 53n), -(2n ** 63n), -(2n ** 63n) + 1n],
  ...[2n ** 28n, 2n ** 29n, 2n ** 30n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 33n],
  ...[2n ** 40n, 2n ** 52n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n],
];

/** Names and texts that a careless program trips over. */
const TEXTS: readonly string[] = [
  ...[
    '',
    ' ',
    'x',
    '0',
    '-1',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'length',
    'NaN',
    'null',
  ],
  ...['\0', 'a\0b', '\n', '\r\n\t', '\x1b[31m', '\x7f', '"', "'", '\\', '\\u0000', '%s%n', '#@', '}', ')'],
  ...['\ufeff', '\u202e', '\u{1f600}', '\u00e9', 'e\u0301', '\u0000\uffff', 'a/b', '/', '//', '.', '..'],
  ...[
    'weight',
    'MatMul',
    'lotrc',
    'lotrc.plan',
    '1.5e400',
    '0x10',
    '18446744073709551616',
    '9007199254740993',
  ],
  'n'.repeat(300),
  'm'.repeat(70_000),
];

/** Places of external data: inside, outside, and not files. `w.bin`, `link`, `loop`, `fifo` and `dir` exist. */
const LOCATIONS: readonly string[] = [
  ...[
    'w.bin',
    './w.bin',
    'dir/../w.bin',
    'dir',
    'dir/',
    'fifo',
    'loop',
    'link',
    'link/secret.bin',
    'missing.bin',
  ],
  ...[
    '../secret.bin',
    '..',
    '../',
    '../../etc/passwd',
    '/etc/passwd',
    '/dev/zero',
    '/dev/stdin',
    '/proc/self/mem',
  ],
  ...[
    '..\\secret.bin',
    'C:\\secret.bin',
    'C:w.bin',
    '\\\\host\\share',
    '%2e%2e/secret.bin',
    '..%2fsecret.bin',
  ],
  ...[
    'file:///etc/passwd',
    'w.bin\0.txt',
    '.../w.bin',
    'dir/../../secret.bin',
    '~/.profile',
    'model.onnx',
    'w.bin/x',
  ],
  'd/'.repeat(3000),
  'f'.repeat(5000),
];

const OPS: readonly string[] = [
  ...[
    'MatMul',
    'Gemm',
    'Add',
    'Identity',
    'Transpose',
    'Reshape',
    'Constant',
    'If',
    'Loop',
    'Scan',
    'Cast',
    'Concat',
  ],
  ...[
    'Conv',
    'Einsum',
    'Gather',
    'Split',
    'Slice',
    'Squeeze',
    'Unsqueeze',
    'Expand',
    'Tile',
    'Pad',
    'Where',
    'Range',
  ],
  ...[
    'DequantizeLinear',
    'MatMulNBits',
    'Attention',
    'FusedMatMul',
    'ConstantOfShape',
    'Shape',
    'Size',
    'Softmax',
  ],
  ...[
    'ReduceSum',
    'LayerNormalization',
    'OneHot',
    'ScatterND',
    'Resize',
    'SequenceAt',
    'Optional',
    'NoSuchOp',
    '',
  ],
];

export function anInt(random: Random): bigint {
  return random.chance(0.7) ? random.pick(INTS) : BigInt(random.below(2 ** 16) - 100);
}

/** A text from the lists, or one of `known`, which makes duplicates and cycles. */
export function aText(random: Random, known: readonly string[]): string {
  const list = random.below(10);
  if (list < 4 && known.length > 0) return random.pick(known);
  if (list < 6) return random.pick(OPS);
  return random.pick(list < 8 ? TEXTS : LOCATIONS);
}

export function aLocation(random: Random): string {
  return random.pick(LOCATIONS);
}

/** Where a symbolic link leads: of the places those that the system takes. */
export function aLink(random: Random): { readonly link: string } {
  return { link: random.pick(LINKS) };
}

const LINKS = LOCATIONS.filter((place) => place !== '' && place.length < 4096 && !place.includes('\0'));

/** Bytes of a payload, changed: cut, grown, flipped, or filled with NaN, infinities, or text that is not UTF-8. */
export function changedBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.byteLength + 1);
  switch (random.below(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes, Buffer.alloc(1 + random.below(64), random.below(256))]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
    case 3:
      return Buffer.alloc(
        bytes.byteLength,
        Buffer.from(random.pick(['0000c07f', '0000807f', '000080ff', 'ff']), 'hex'),
      );
    case 4:
      return Buffer.from(random.pick(['c0af', 'eda080', 'fe', 'f8888080', '80']), 'hex');
    default: {
      const copy = Uint8Array.from(bytes);
      if (copy.byteLength > 0) copy[at % copy.byteLength]! ^= 1 << random.below(8);
      return copy;
    }
  }
}
