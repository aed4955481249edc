import { cannotFetch } from '../backends/codes/runtime.js';
import { concatBytes } from '../ir/bytes.js';
import { fail } from '../ir/diagnostics.js';

/** Bytes, or what gives them: a `Blob`, a `File`, a `Response`. */
export type GivenBytes = Uint8Array | ArrayBuffer | { arrayBuffer(): Promise<ArrayBuffer> };

/** The files of a folder: the address of the folder, files by name, or a function that reads one. */
export type GivenFiles =
  | string
  | { readonly href: string }
  | ReadonlyMap<string, GivenBytes>
  | ((name: string) => GivenBytes | Promise<GivenBytes>);

/** An `AbortSignal`. */
export interface AbortLike {
  readonly aborted: boolean;
  readonly reason: unknown;
}

/** How far a file is read; `total` is null where the server does not say it. */
export interface FileProgress {
  readonly file: string;
  readonly bytes: number;
  readonly total: number | null;
}

export interface ReadOptions {
  /** ends reading with its reason */
  readonly signal?: AbortLike | undefined;
  readonly onProgress?: ((progress: FileProgress) => void) | undefined;
}

export type ReadFile = (name: string) => Promise<Uint8Array>;

/** Throws the reason of a signal that says to stop. */
export function stopIfAborted(signal: AbortLike | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

/** Reads files of a folder. Throws LOTR8120 for a file that the server does not give, and what the caller's own function throws. */
export function readerOf(files: GivenFiles, { signal, onProgress }: ReadOptions = {}): ReadFile {
  return async (name) => {
    stopIfAborted(signal);
    if (typeof files === 'function') return bytesOf(await files(name));
    if (typeof files !== 'string' && !('href' in files))
      return bytesOf(files.get(name) ?? missing(name, 'it is not among the files'));
    return fetched(addressIn(placeOf(files), name), signal, onProgress);
  };
}

/** The bytes as a plain array: `slice` of Node's Buffer, which is one too, would not copy. */
export async function bytesOf(given: GivenBytes): Promise<Uint8Array> {
  if (given instanceof Uint8Array) return new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  return new Uint8Array('byteLength' in given ? given : await given.arrayBuffer());
}

/** The address of a file in a folder; relative addresses are those of the page. */
function addressIn(folder: string, name: string): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  try {
    const base = new URL(folder === '' || folder.endsWith('/') ? folder : `${folder}/`, location?.href);
    return new URL(name.split('/').map(encodeURIComponent).join('/'), base).href;
  } catch {
    return missing(
      `${folder}/${name}`,
      'this is not an address; outside of pages, give whole ones, or a function',
    );
  }
}

const missing = (file: string, why: string): never => fail(cannotFetch({ file, why }));

async function fetched(
  address: string,
  signal: AbortLike | undefined,
  onProgress: ((progress: FileProgress) => void) | undefined,
): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(address, signal ? { signal: signal as AbortSignal } : {});
  } catch (error) {
    stopIfAborted(signal);
    return missing(address, (error as Error).message);
  }
  if (!response.ok || !response.body)
    return missing(address, `the server answers ${response.status} ${response.statusText}`.trimEnd());
  // an encoded body is longer than the header says
  const said = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
  const total = said === null ? null : Number(said);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.byteLength;
    onProgress?.({ file: address, bytes, total });
  }
  return concatBytes(parts);
}

/** What messages call a file: its address, or its name. */
export function placeOf(files: GivenFiles): string {
  if (typeof files === 'string') return files;
  return 'href' in files ? files.href : '';
}
