import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fail } from '../../ir/diagnostics.js';
import type { Output } from '../../ir/files/atomic.js';
import { fileDigest } from '../../ir/files/file-digest.js';
import { realFolder } from '../../ir/files/folders.js';
import type { Model } from '../../ir/model.js';
import { isLinked } from '../../ir/onnx/weights.js';
import type { TensorData } from '../../ir/tensor.js';
import type { BaseFile } from '../../train/signature.js';
import { cannotLinkBase } from '../codes/training.js';
import type { PlacedBase } from './directory.js';

/** `auto`: a clone where the file system can, else a copy; `copy`: never a clone; `link`: a hard link. */
export type BaseMode = 'auto' | 'copy' | 'link';

/**
 * Plans how the files that hold the model's weights get into the training directory: ONNX Runtime follows references to
 * weights only within the graph's own folder (training.md 3). Files already there stay; others are cloned, copied or
 * linked. Never linked unless asked: a hard link changes with its original, and loaders refuse it (`onnx.load`, and ONNX
 * Runtime for graphs with a Loop). Throws LOTR5007 when a link is wanted and the folder is on another file system.
 */
export function placeBase(model: Model, folder: string, mode: BaseMode): PlacedBase {
  const home = realFolder(folder);
  const standIns = new Map<string, string>();
  const files: BaseFile[] = [];
  const outputs: Output[] = [];
  const taken = new Set<string>();
  for (const path of weightFiles(model)) {
    const real = realpathSync(path);
    const inner = relative(home, real);
    const inside = inner !== '' && inner !== '..' && !inner.startsWith(`..${sep}`);
    const { target, output } = inside ? { target: real, output: null } : place(real, home, mode, taken);
    taken.add(target);
    if (output) outputs.push(output);
    standIns.set(path, target);
    files.push({ location: relative(home, target).split(sep).join('/'), ...fileDigest(real) });
  }
  return { standIns, files, outputs };
}

/** Files that the graphs refer to: of initializers, and of tensors of Constant nodes. */
function weightFiles(model: Model): readonly string[] {
  const found = new Set<string>();
  const add = (data: TensorData): void => {
    const { origin } = data;
    if (origin.kind === 'file' && isLinked(data) && !origin.path.startsWith('<')) found.add(origin.path);
  };
  for (const graph of model.everyGraph()) {
    for (const value of graph.initializers.values()) add(value.constant!);
    for (const node of graph.nodes) {
      for (const attr of node.attrs.values()) if (attr.kind === 'tensor') add(attr.value);
    }
  }
  return [...found].sort();
}

function place(
  real: string,
  home: string,
  mode: BaseMode,
  taken: ReadonlySet<string>,
): { readonly target: string; readonly output: Output | null } {
  const { size, dev } = statSync(real);
  if (mode === 'link' && statSync(existing(home)).dev !== dev)
    fail(cannotLinkBase({ file: real, why: 'the directory is on another file system' }));
  const write = () => undefined;
  for (let count = 0; ; count++) {
    const target = join(home, `${count === 0 ? '' : `base${count}-`}${basename(real)}`);
    if (taken.has(target)) continue;
    const output: Output =
      mode === 'link'
        ? { path: target, linkOf: real, write }
        : { path: target, copyOf: { path: real, size, clone: mode === 'auto' }, write };
    if (!existsSync(target)) return { target, output };
    const linked = sameFile(target, real);
    // a hard link of an earlier run gives way to a copy, and stays where one is wanted
    if (linked) return { target, output: mode === 'link' ? null : output };
    if (mode !== 'link' && sameBytes(target, real))
      return { target, output: statSync(target).nlink > 1 ? output : null };
  }
}

/** The innermost folder of a path that is there. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

function sameFile(a: string, b: string): boolean {
  const [left, right] = [statSync(a), statSync(b)];
  return left.dev === right.dev && left.ino === right.ino;
}

/** An earlier copy of the same base: equal length and digest. */
function sameBytes(a: string, b: string): boolean {
  return statSync(a).size === statSync(b).size && fileDigest(a).digest === fileDigest(b).digest;
}
