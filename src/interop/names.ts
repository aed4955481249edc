import { closest } from '../ir/diagnostics.js';

/** Which of the names in a model a name of a foreign adapter means. */

/** FROM=TO of `--module-map`, the longest FROM first: what begins with the segments of FROM begins with those of TO. */
export type ModuleMap = ReadonlyMap<string, string>;

export interface MappedName {
  readonly name: string;
  /** the FROM that was used */
  readonly by: string | null;
}

/** The name after `--module-map`: its beginning, in whole segments, replaced by what the longest entry that fits says. */
export function mapName(name: string, map: ModuleMap): MappedName {
  let by: string | null = null;
  for (const from of map.keys()) {
    const fits = name === from || name.startsWith(`${from}.`);
    if (fits && (by === null || from.length > by.length)) by = from;
  }
  return { name: by === null ? name : map.get(by)! + name.slice(by.length), by };
}

/**
 * The names that a dotted name can mean: the same, or else the longest that it ends in or that ends in it, whole segments
 * compared. More than one: it is not clear which is meant. Programs put wrappers in front of names, exporters leave them out.
 */
export function meantBy(name: string, known: Iterable<string>): readonly string[] {
  let best: string[] = [];
  let length = 0;
  for (const path of known) {
    if (path === name) return [path];
    if (!path.endsWith(`.${name}`) && !name.endsWith(`.${path}`)) continue;
    const shared = Math.min(path.length, name.length);
    if (shared > length) best = [];
    if (shared >= length) best.push(path);
    length = Math.max(length, shared);
  }
  return best;
}

/** As {@link meantBy} for a name in which underscores stand for dots: `unet_mid_block_attn1_to_q`. */
export function meantByFlat(name: string, known: Iterable<string>): readonly string[] {
  let best: string[] = [];
  let length = 0;
  for (const path of known) {
    const flat = flattened(path);
    if (flat === name) return [path];
    // a suffix of segments: the path may have more of them in front, or the name
    const shared = name.endsWith(`_${flat}`) ? flat.length : flatEnd(path, name);
    if (shared > length) best = [];
    if (shared > 0 && shared >= length) best.push(path);
    length = Math.max(length, shared);
  }
  return best;
}

/** The length of the name where it is an end of the path in whole segments, else 0. */
function flatEnd(path: string, name: string): number {
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1))
    if (flattened(path.slice(dot + 1)) === name) return name.length;
  return 0;
}

/** A path with underscores in the places of its dots. */
function flattened(path: string): string {
  return path.replaceAll('.', '_');
}

/** Names in a model that are most like one that is not there: of as many segments from the end, one of each kind. */
export function nearestTo(name: string, known: Iterable<string>): readonly string[] {
  const near = closest(name, known);
  if (near.length > 0) return near;
  const last = name.split(/[._]/).at(-1)!;
  return [...known].filter((path) => path.split('.').at(-1) === last).slice(0, 3);
}
