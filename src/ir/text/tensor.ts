import { dirname, folderOf, join, locationFrom } from '#platform';
import { toHex } from '../bytes.js';
import type { TensorCarried } from '../carried.js';
import { NO_FIELDS } from '../carried.js';
import { textChecksum, textNoData } from '../codes/text.js';
import { fail, LotrcError } from '../diagnostics.js';
import { byteLengthOf, type DType } from '../dtype.js';
import { ExternalData } from '../onnx/external.js';
import { MemorySource } from '../onnx/source.js';
import { elementCount } from '../shape.js';
import { BaseTensor, type ByteSink, type TensorData, type TensorOrigin } from '../tensor.js';
import { printElements } from './elements.js';
import { quote, quoteBytes } from './strings.js';

/** Tensors up to this many elements show their elements. */
const INLINE_ELEMENTS = 8;
/** Elements without literals (see elements.ts) show their bytes up to this many. */
const INLINE_BYTES = 4096;
/** Checksum of a tensor whose data file is missing. */
const UNAVAILABLE = 'unavailable';

export type Entries = readonly (readonly [string, string])[];

/** What the printed form of a tensor depends on. */
export interface TensorTextOptions {
  /** folder that locations are relative to; null: only the file's name */
  readonly folder: string | null;
  /** false leaves out where the data lies, which changes with every edit of the file */
  readonly locations: boolean;
}

/** `{1.0, 2.0}` up to 8 elements, else `["location": ..., "offset": ..., "length": ..., "checksum": ...]`. */
export function tensorText(tensor: TensorData, options: TensorTextOptions): string {
  if (tensor instanceof TextTensor) return entriesText(tensor.entries);
  return inlineText(tensor) ?? entriesText(externalEntries(tensor, options));
}

function entriesText(entries: Entries): string {
  return `[${entries.map(([key, value]) => `${quote(key)}: ${quote(value)}`).join(', ')}]`;
}

function inlineText(tensor: TensorData): string | null {
  const { dtype, shape } = tensor;
  const count = elementCount(shape);
  if (count > INLINE_ELEMENTS) return null;
  try {
    if (dtype === 'string') {
      const items = tensor.strings();
      return items.length === count ? `{${items.map(quoteBytes).join(', ')}}` : null;
    }
    if (tensor.byteLength > INLINE_BYTES) return null;
    const bytes = tensor.bytes();
    const texts = printElements(dtype, shape, bytes);
    return texts ? `{${texts.join(', ')}}` : entriesText([['raw_data', toHex(bytes)]]);
  } catch (error) {
    if (error instanceof LotrcError) return null;
    throw error;
  }
}

function externalEntries(tensor: TensorData, { folder, locations }: TensorTextOptions): Entries {
  const entries: (readonly [string, string])[] = [];
  const { origin } = tensor;
  if (locations && origin.kind === 'file' && !origin.path.startsWith('<')) {
    const path = folder === null ? '' : locationFrom(folder, origin.path);
    entries.push(['location', path || origin.path.split(/[\\/]/).at(-1)!]);
    entries.push(['offset', String(origin.offset)], ['length', String(tensor.byteLength)]);
  }
  entries.push(['checksum', checksum(tensor)]);
  return entries;
}

/** The digest, or a word in its place while the data file is missing: a plan can be printed without weights. */
function checksum(tensor: TensorData): string {
  try {
    return tensor.digest();
  } catch (error) {
    if (error instanceof LotrcError) return UNAVAILABLE;
    throw error;
  }
}

/**
 * A tensor that the text shows by its place and checksum. Its data is looked for in the folder of the text file when it
 * is requested, and compared with the checksum once.
 */
export class TextTensor extends BaseTensor {
  readonly origin: TensorOrigin;
  readonly #folderOf: string | null;
  readonly #name: string;
  readonly #values: ReadonlyMap<string, string>;
  #found: TensorData | null = null;

  /** `file` is the path of the text; null when it was given as a string. */
  constructor(
    dtype: DType,
    shape: readonly number[],
    readonly entries: Entries,
    name: string,
    file: string | null,
  ) {
    const values = new Map(entries);
    const length = values.get('length');
    super(
      dtype,
      shape,
      length === undefined ? (byteLengthOf(dtype, elementCount(shape)) ?? 0) : Number(length),
    );
    this.#values = values;
    this.#name = name;
    this.#folderOf = file;
    const location = values.get('location');
    this.origin =
      location !== undefined && file !== null
        ? {
            kind: 'file',
            path: join(dirname(file), location),
            offset: Number(values.get('offset') ?? 0),
            ofModel: true,
          }
        : { kind: 'computed', by: 'text' };
  }

  bytes(): Uint8Array {
    return this.#data().bytes();
  }

  override slice(offset: number, length: number): Uint8Array {
    return this.#data().slice(offset, length);
  }

  override copyTo(sink: ByteSink): void {
    this.#data().copyTo(sink);
  }

  override strings(): readonly Uint8Array[] {
    return this.dtype === 'string' ? this.#data().strings() : super.strings();
  }

  /** As the text states it; computed when the text has none. */
  override digest(): string {
    return this.#values.get('checksum') ?? super.digest();
  }

  #data(): TensorData {
    if (this.#found) return this.#found;
    const name = this.#name;
    const location = this.#values.get('location');
    const missing = (why: string): never => fail(textNoData({ name, why }));
    if (location === undefined) return missing('the text holds only its checksum');
    if (this.#folderOf === null)
      return missing('the text was not read from a file, so its data has no folder');
    const carried: TensorCarried = {
      source: new MemorySource(new Uint8Array(0), this.#folderOf),
      start: 0,
      offset: 0,
      length: 0,
      unknown: NO_FIELDS,
      name,
      docString: '',
      metadata: [],
      external: this.entries,
    };
    const found = new ExternalData(folderOf(this.#folderOf)).tensor(this.dtype, this.shape, carried);
    const stated = this.#values.get('checksum');
    if (stated !== undefined && stated !== UNAVAILABLE) {
      const actual = found.digest();
      if (actual !== stated) fail(textChecksum({ name, location, stated, actual }));
    }
    this.#found = found;
    return found;
  }
}

/** Elements given as bytes that need not fit the shape: what a damaged or unknown tensor held. */
export class RawTensor extends BaseTensor {
  readonly origin: TensorOrigin = { kind: 'memory' };
  readonly #bytes: Uint8Array;

  constructor(dtype: DType, shape: readonly number[], bytes: Uint8Array) {
    super(dtype, shape, bytes.byteLength);
    this.#bytes = bytes;
  }

  bytes(): Uint8Array {
    return this.#bytes;
  }
}
