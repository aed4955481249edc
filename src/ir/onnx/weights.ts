import { basename } from '#platform';
import type { WeightsMode } from '../../options/words.js';
import { linkOutside } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import type { ByteSink, TensorData } from '../tensor.js';
import type { CopiedFile } from './copied-file.js';
import type { TensorPlacer } from './graph-write.js';

/** Smaller tensors are not worth a reference. */
const LINK_FROM = 1024;
/** Offsets in data files are multiples of this, so that a runtime can map them (ONNX, external data). */
const ALIGNMENT = 4096;

/** The data file next to an output: which tensors, at which offsets. */
export class DataFile {
  readonly name: string;
  size = 0;
  readonly #rows: { readonly data: TensorData; readonly offset: number }[] = [];
  readonly #placed = new Map<TensorData, readonly (readonly [string, string])[]>();

  /** `copyOf`: the data file begins as a copy of this one; its tensors keep their offsets, others follow. */
  constructor(
    readonly path: string,
    readonly copyOf: CopiedFile | null = null,
  ) {
    this.name = basename(path);
    this.size = copyOf?.size ?? 0;
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.#rows.length === 0;
  }

  /** Reserves room for a tensor; the same tensor object is stored once. Returns its `external_data` entries. */
  add(data: TensorData): readonly (readonly [string, string])[] {
    const placed = this.#placed.get(data);
    if (placed) return placed;
    if (data.carried?.external && data.origin.kind === 'file' && data.origin.path === this.copyOf?.path) {
      return external(this.name, data.origin.offset, data.byteLength);
    }
    const offset = Math.ceil(this.size / ALIGNMENT) * ALIGNMENT;
    const entries = external(this.name, offset, data.byteLength);
    this.#rows.push({ data, offset });
    this.#placed.set(data, entries);
    this.size = offset + data.byteLength;
    return entries;
  }

  /** Writes what follows the copied file. */
  writeTo(sink: ByteSink): void {
    let at = this.copyOf?.size ?? 0;
    for (const { data, offset } of this.#rows) {
      if (offset > at) sink.write(new Uint8Array(offset - at));
      data.copyTo(sink);
      at = offset + data.byteLength;
    }
  }
}

/** Whether `link` refers to a tensor where it lies; others are written into the output. */
export function isLinked({ carried, origin, byteLength, dtype }: TensorData): boolean {
  if (origin.kind !== 'file') return false;
  // a tensor that was not read from a model is not a weight of the base
  return Boolean(carried?.external) || (origin.ofModel && byteLength >= LINK_FROM && dtype !== 'string');
}

/**
 * The placement rule of a mode for an output at `path`. `spill` sends every tensor of 1 KiB and more that would be
 * inline to the data file: used when the message would exceed protobuf's 2 GiB. `within` gives the location by which the
 * output refers to a file, null for one that is not in or below its folder.
 */
export function placement(
  mode: WeightsMode,
  path: string,
  within: (target: string) => string | null,
  file: DataFile,
  spill: boolean,
): TensorPlacer {
  return (_name, data) => {
    const { carried, origin } = data;
    const large = data.byteLength >= LINK_FROM && data.dtype !== 'string';
    const toFile = {
      kind: 'external',
      get entries() {
        return file.add(data);
      },
    } as const;
    const inline = spill && large ? toFile : ({ kind: 'inline' } as const);
    if (origin.kind !== 'file') return carried && !spill ? null : inline;
    if (carried?.external) {
      const inside = within(origin.path);
      if (mode === 'link' && inside === null) return fail(linkOutside({ file: path, base: origin.path }));
      if (mode === 'inline') return { kind: 'inline' };
      if (mode === 'copy' || inside === null) return toFile;
      if (inside === new Map(carried.external).get('location')) return null;
      return { kind: 'external', entries: external(inside, origin.offset, data.byteLength) };
    }
    if (mode === 'link' && isLinked(data)) {
      const inside = within(origin.path);
      if (inside === null) return fail(linkOutside({ file: path, base: origin.path }));
      return { kind: 'external', entries: external(inside, origin.offset, data.byteLength) };
    }
    return spill && large ? toFile : null;
  };
}

function external(location: string, offset: number, length: number): readonly (readonly [string, string])[] {
  return [
    ['location', location],
    ['offset', String(offset)],
    ['length', String(length)],
  ];
}
