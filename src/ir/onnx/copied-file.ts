import { existsSync, statSync } from 'node:fs';
import type { Model } from '../model.js';
import type { TensorPlacer } from './graph-write.js';

/** Below this many bytes the copy of a whole file gains nothing. */
const WHOLE_FROM = 16 << 20;
/** A file is copied whole when at least this part of it is wanted. */
const WHOLE_SHARE = 0.9;

/** A file of the base that an output's data file begins as a copy of. */
export interface CopiedFile {
  readonly path: string;
  readonly size: number;
}

/**
 * The base's data file to copy whole, or null: of those whose tensors `place` sends to a data file the one with the most
 * bytes of them, when they are nearly all of it. The system copies a whole file several times faster than a program that
 * reads and writes its parts, or shares its blocks where the file system can. Only external data counts.
 */
export function fileToCopy(model: Model, place: TensorPlacer): CopiedFile | null {
  const wanted = new Map<string, Map<number, number>>();
  for (const graph of model.everyGraph()) {
    for (const [name, { constant }] of graph.initializers) {
      if (!constant?.carried?.external || constant.origin.kind !== 'file') continue;
      if (place(name, constant)?.kind !== 'external') continue;
      const { path, offset } = constant.origin;
      const ranges = wanted.get(path) ?? new Map<number, number>();
      wanted.set(path, ranges.set(offset, constant.byteLength));
    }
  }
  let best: (CopiedFile & { readonly used: number }) | null = null;
  for (const [path, ranges] of wanted) {
    if (!existsSync(path)) continue; // reported when a tensor of it is read
    const { size } = statSync(path);
    let used = 0;
    let end = 0;
    for (const [offset, length] of ranges) {
      used += length;
      end = Math.max(end, offset + length);
    }
    const worth = size >= WHOLE_FROM && used >= WHOLE_SHARE * size && end <= size;
    if (worth && (!best || used > best.used)) best = { path, size, used };
  }
  return best && { path: best.path, size: best.size };
}
