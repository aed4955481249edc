import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, linkSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { cannotLinkBase } from '../../ir/codes/training.js';
import { fail } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';
import type { Model } from '../../ir/model.js';
import { FileSource } from '../../ir/onnx/source.js';
import type { BaseFile } from '../../train/signature.js';

/** How the base's files got into the training directory. */
export interface PlacedBase {
  /** path of each file of the base -> the same file in or below the training directory */
  readonly standIns: ReadonlyMap<string, string>;
  readonly files: readonly BaseFile[];
  /** what was done, for the user: `linked`, `copied`, or nothing where the file was there */
  readonly done: readonly { readonly file: string; readonly how: 'linked' | 'copied' }[];
}

export type BaseMode = 'auto' | 'link' | 'copy';

/**
 * Puts the files that hold the model's weights into the training directory: ONNX Runtime follows references to weights
 * only within the graph's own folder (training.md 3). Files already there stay; others are hard-linked or, where the
 * file system cannot link, copied. Throws LOTR5007 when neither works.
 */
export function placeBase(model: Model, folder: string, mode: BaseMode): PlacedBase {
  const home = realpathSync(folder);
  const standIns = new Map<string, string>();
  const files: BaseFile[] = [];
  const done: { file: string; how: 'linked' | 'copied' }[] = [];
  for (const path of weightFiles(model)) {
    const real = realpathSync(path);
    const inner = relative(home, real);
    const inside = inner !== '' && inner !== '..' && !inner.startsWith(`..${sep}`);
    const target = inside ? real : place(real, home, mode, done);
    standIns.set(path, target);
    files.push(describe(target, relative(home, target).split(sep).join('/')));
  }
  return { standIns, files, done };
}

/** Files that weights of 1 KiB and more lie in. */
function weightFiles(model: Model): readonly string[] {
  const found = new Set<string>();
  for (const graph of model.everyGraph()) {
    for (const value of graph.initializers.values()) {
      const { origin, byteLength } = value.constant!;
      if (origin.kind === 'file' && byteLength >= 1024 && !origin.path.startsWith('<'))
        found.add(origin.path);
    }
  }
  return [...found].sort();
}

function place(
  real: string,
  home: string,
  mode: BaseMode,
  done: { file: string; how: 'linked' | 'copied' }[],
): string {
  let target = join(home, basename(real));
  for (let count = 1; existsSync(target) && !sameFile(target, real); count++) {
    if (mode !== 'link' && sameBytes(target, real)) return target;
    target = join(home, `base${count}-${basename(real)}`);
  }
  if (existsSync(target)) return target;
  try {
    if (mode !== 'copy') {
      try {
        linkSync(real, target);
        done.push({ file: target, how: 'linked' });
        return target;
      } catch (error) {
        if (mode === 'link' || !isSystemError(error)) throw error;
      }
    }
    const temporary = join(dirname(target), `.${basename(target)}.tmp`);
    copyFileSync(real, temporary);
    linkSync(temporary, target);
    rmSync(temporary);
    done.push({ file: target, how: 'copied' });
    return target;
  } catch (error) {
    if (isSystemError(error)) return fail(cannotLinkBase({ file: real, why: error.message }));
    throw error;
  }
}

function sameFile(a: string, b: string): boolean {
  const [left, right] = [statSync(a), statSync(b)];
  return left.dev === right.dev && left.ino === right.ino;
}

/** An earlier copy of the same base: equal length and sampled contents. */
function sameBytes(a: string, b: string): boolean {
  return statSync(a).size === statSync(b).size && describe(a, '').digest === describe(b, '').digest;
}

/** Length and a digest over 64 stretches of 4 KiB from the first byte to the last: cheap for files of any size. */
function describe(path: string, location: string): BaseFile {
  const source = new FileSource(path);
  const hash = createHash('sha256').update(String(source.size));
  const length = Math.min(4096, source.size);
  for (let i = 0; i < 64; i++) {
    hash.update(source.read(Math.floor(((source.size - length) * i) / 63), length));
  }
  source.close();
  return { location, digest: `sampled-sha256:${hash.digest('hex').slice(0, 32)}`, byteLength: source.size };
}
