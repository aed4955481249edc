import { readFileSync } from 'node:fs';

/**
 * What ptxas made of a kernel, read from the machine code of a cubin: instructions of 16 bytes, whose lowest 12 bits say what they do (as
 * nvdisasm shows them, which need not be installed).
 */

const HMMA = 0x23c;
const HGMMA = 0x9f0;
const LDSM = 0x83b;
const FFMA = 0x223;
/** A branch, and one by a uniform predicate. */
const BRANCHES = [0x947, 0x547];
/** Loads from device memory to registers, and to shared memory. */
const LDG = [0x381, 0x981];
const LDGSTS = 0xfae;
/** Boxes that the copy engine brings, and those that it brings to several blocks of a cluster. */
const UTMALDG = 0x5b4;
const UTMALDG_MULTICAST = 0x3b4;
/** Registers that warpgroups give and take. */
const USETMAXREG = 0x9c8;
/** Fences of memory, and losses of the first-level cache. */
const FENCES = [0x992, 0x98f];
/** Loads and stores of registers that were spilled. */
const SPILLS = [0x983, 0x387];
/** Bytes of a load by its size field. */
const WIDTHS: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 8, 6: 16 };

/** The loop of a kernel with the greatest share of products. */
export interface MainLoop {
  readonly instructions: number;
  /** products of matrix units: of warps (HMMA) or of warpgroups (HGMMA); where there are none, multiply-adds of CUDA cores (FFMA) */
  readonly products: number;
  readonly kind: 'HMMA' | 'HGMMA' | 'FFMA';
  /** loads of fragments (LDSM) and products (H), in order */
  readonly order: string;
  /** bytes of each load from device memory, of the loop or, where that has none, of the one around it */
  readonly loads: readonly number[];
  readonly spills: number;
  /** fences of memory */
  readonly fences: number;
}

/** What there is in a kernel outside of its main loop. */
export interface Occurrences {
  /** boxes of a matrix that the copy engine brings, and those for several blocks */
  readonly boxes: number;
  readonly multicasts: number;
  /** exchanges of registers between warpgroups */
  readonly exchanges: number;
  /** instructions of the shortest loop that loads from device memory and multiplies nothing; null where there is none */
  readonly loading: number | null;
}

interface Instruction {
  readonly op: number;
  /** index of the instruction that a branch goes to; -1: it is none */
  readonly to: number;
  /** bytes that it loads from device memory */
  readonly loads: number;
}

/** The kernels of a cubin, by their names; one without loops or products has no main loop. */
export function machineCode(
  cubin: string,
  arch: string,
): ReadonlyMap<string, Occurrences & { readonly loop: MainLoop | null }> {
  return new Map(
    codeOf(readFileSync(cubin)).map(([name, code]) => {
      const all = instructionsOf(code, arch);
      const count = (wanted: number) => all.filter(({ op }) => op === wanted).length;
      const [boxes, multicasts, exchanges] = [UTMALDG, UTMALDG_MULTICAST, USETMAXREG].map(count) as [
        number,
        number,
        number,
      ];
      return [name, { loop: mainLoop(all), loading: loadingLoop(all), boxes, multicasts, exchanges }];
    }),
  );
}

/** The sections `.text.NAME` of an ELF file of 64 bits. */
function codeOf(file: Buffer): readonly (readonly [name: string, code: Buffer])[] {
  const at = (offset: number) => Number(file.readBigUInt64LE(offset));
  const [first, size, count, names] = [
    at(40),
    file.readUInt16LE(58),
    file.readUInt16LE(60),
    file.readUInt16LE(62),
  ];
  const section = (n: number) => {
    const header = first + n * size;
    return { name: file.readUInt32LE(header), start: at(header + 24), length: at(header + 32) };
  };
  const strings = section(names).start;
  return Array.from({ length: count }, (_, n) => section(n)).flatMap(({ name, start, length }) => {
    const from = strings + name;
    const text = file.toString('latin1', from, file.indexOf(0, from));
    return text.startsWith('.text.') ? [[text.slice(6), file.subarray(start, start + length)] as const] : [];
  });
}

function instructionsOf(code: Buffer, arch: string): readonly Instruction[] {
  return Array.from({ length: code.length / 16 }, (_, n) => {
    const [low, high, more] = [0, 4, 8].map((offset) => code.readInt32LE(16 * n + offset)) as [
      number,
      number,
      number,
    ];
    const op = low & 0xfff;
    // a distance in words from the next instruction, of which 8 bits lie apart since sm_90
    const words = arch === 'sm_80' ? high >> 2 : (high >> 2) * 256 + ((low >> 16) & 0xff);
    const load = LDG.includes(op) || op === LDGSTS;
    const size = op === LDGSTS && arch === 'sm_120' ? 10 : 9;
    return {
      op,
      to: BRANCHES.includes(op) ? n + 1 + words / 4 : -1,
      loads: load ? WIDTHS[(more >> size) & 7]! : 0,
    };
  });
}

/** The instructions of the shortest loop that loads from device memory and multiplies nothing; null where there is none. */
function loadingLoop(all: readonly Instruction[]): number | null {
  const lengths = all.flatMap(({ to }, end) => {
    const own = to >= 0 && to <= end ? all.slice(to, end + 1) : [];
    const loads = own.some(({ op }) => LDG.includes(op));
    return loads && !own.some(({ op }) => op === HMMA || op === HGMMA) ? [own.length] : [];
  });
  return lengths.length > 0 ? Math.min(...lengths) : null;
}

function mainLoop(all: readonly Instruction[]): MainLoop | null {
  const loops = all.flatMap(({ to }, end) => (to >= 0 && to <= end ? [{ from: to, end }] : []));
  const within = (inner: (typeof loops)[number], outer: (typeof loops)[number]) =>
    inner !== outer && inner.from >= outer.from && inner.end <= outer.end;
  const code = ({ from, end }: (typeof loops)[number]) => all.slice(from, end + 1);
  for (const [kind, op] of [
    ['HGMMA', HGMMA],
    ['HMMA', HMMA],
    ['FFMA', FFMA],
  ] as const) {
    const productsOf = (loop: (typeof loops)[number]) => code(loop).filter((one) => one.op === op).length;
    const share = (loop: (typeof loops)[number]) => productsOf(loop) / code(loop).length;
    // code that waits lies apart and branches back: not a loop
    const [loop] = loops.filter((one) => productsOf(one) > 0).sort((a, b) => share(b) - share(a));
    if (!loop) continue;
    const around = loops.filter((one) => within(loop, one)).sort((a, b) => a.end - a.from - (b.end - b.from));
    const loads = [loop, ...around].map((one) =>
      code(one).flatMap(({ loads }) => (loads > 0 ? [loads] : [])),
    );
    const own = code(loop);
    return {
      kind,
      instructions: own.length,
      products: productsOf(loop),
      order: own.map((one) => (one.op === LDSM ? 'L' : one.op === op ? 'H' : '')).join(''),
      loads: loads.find(({ length }) => length > 0) ?? [],
      spills: own.filter((one) => SPILLS.includes(one.op)).length,
      fences: own.filter((one) => FENCES.includes(one.op)).length,
    };
  }
  return null;
}
