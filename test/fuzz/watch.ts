import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join, resolve, sep } from 'node:path';

/** Functions of `node:fs` that change what a path leads to, and which of their arguments are such paths. */
const CHANGES = {
  appendFileSync: [0],
  chmodSync: [0],
  chownSync: [0],
  copyFileSync: [1],
  cpSync: [1],
  linkSync: [1],
  lutimesSync: [0],
  mkdirSync: [0],
  mkdtempSync: [0],
  renameSync: [0, 1],
  rmSync: [0],
  rmdirSync: [0],
  symlinkSync: [1],
  truncateSync: [0],
  unlinkSync: [0],
  utimesSync: [0],
  writeFileSync: [0],
} as const;
type Changing = keyof typeof CHANGES;

const { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND } = fs.constants;

/**
 * Notes every path that this process changes through `node:fs`, and the keys of the prototypes that everything shares, so that
 * both can be compared with what an input may do. `remove` puts the functions back.
 */
export class Watch {
  readonly #original = new Map<string, unknown>();
  readonly #prototypes = prototypes();
  #changed: string[] = [];

  constructor(readonly root: string) {
    const table = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
    const replace = (name: string, paths: (args: readonly unknown[]) => readonly unknown[]) => {
      const own = table[name]!;
      this.#original.set(name, own);
      table[name] = (...args: unknown[]) => {
        for (const path of paths(args)) if (typeof path === 'string') this.#changed.push(resolve(path));
        return own.apply(fs, args);
      };
    };
    for (const name of Object.keys(CHANGES) as Changing[])
      replace(name, (args) => CHANGES[name].map((at) => args[at]));
    replace('openSync', ([path, flags]) => (writes(flags) ? [path] : []));
    syncBuiltinESMExports();
  }

  remove(): void {
    Object.assign(fs, Object.fromEntries(this.#original));
    syncBuiltinESMExports();
  }

  /** Forgets what happened so far. */
  start(): void {
    this.#changed = [];
  }

  /** What happened since `start` that no input may do; null when there was nothing. */
  fault(): string | null {
    const now = prototypes();
    if (now !== this.#prototypes) return `a prototype was changed: ${difference(this.#prototypes, now)}`;
    if (this.#changed.length === 0) return null;
    const [out, temporary] = ['out', 'tmp'].map((part) => join(this.root, part)) as [string, string];
    for (const path of new Set(this.#changed)) {
      const real = join(realFolder(dirname(path)), basename(path));
      if (real !== out && ![out, temporary].some((folder) => real.startsWith(folder + sep))) {
        return `it changed ${path}`;
      }
      if (/^\..*\.tmp$|\.lock$/.test(basename(path)) && fs.existsSync(path)) return `it left ${path}`;
    }
    const [left] = fs.readdirSync(temporary);
    return left === undefined ? null : `it left ${join(temporary, left)}`;
  }
}

function writes(flags: unknown): boolean {
  if (typeof flags === 'number') return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND)) !== 0;
  return typeof flags === 'string' && /[wa+]/.test(flags);
}

/** The folder without links; of one that is gone, without those of the folders above it. */
function realFolder(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realFolder(above), basename(path));
  }
}

const SHARED = {
  ...{ Object, Array, Function, String, Number, Boolean, RegExp, Map, Set, Error, Promise, Uint8Array },
  ...{ Buffer, Symbol, BigInt, Date },
};

/** Keys of the prototypes of everything. */
function prototypes(): string {
  return Object.entries(SHARED)
    .map(([name, { prototype }]) => `${name}: ${Object.getOwnPropertyNames(prototype).join()}`)
    .join('\n');
}

function difference(before: string, after: string): string {
  const lines = before.split('\n');
  return after.split('\n').find((line, i) => line !== lines[i]) ?? '';
}
