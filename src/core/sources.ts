import type { ByteSource } from '../ir/carried.js';
import { cannotRead, fileChanged } from '../ir/codes/load.js';
import { fail } from '../ir/diagnostics.js';
import { MemorySource } from '../ir/onnx/source.js';
import { RangeSource, type ReadRange } from './ranges.js';

/** A Blob or File. Written out, so that the public types need neither those of Node nor those of browsers. */
export interface BlobLike {
  readonly size: number;
  /** of a File: its name without folders */
  readonly name?: string;
  slice(start: number, end: number): BlobLike;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** Where bytes come from: bytes themselves, a Blob or File, an URL (also as text), or a byte source of the caller. */
export type SourceInput =
  | Uint8Array
  | ArrayBuffer
  | BlobLike
  | { readonly href: string }
  | string
  | ByteSource;

/** What workers of browsers have: reads that end before the next line runs. */
interface SyncWorker {
  readonly FileReaderSync?: new () => { readAsArrayBuffer(blob: BlobLike): ArrayBuffer };
  readonly XMLHttpRequest?: new () => SyncRequest;
}

interface SyncRequest {
  responseType: string;
  readonly status: number;
  readonly response: unknown;
  open(method: string, url: string, wait: false): void;
  setRequestHeader(name: string, value: string): void;
  getResponseHeader(name: string): string | null;
  send(): void;
}

const IN_WORKER = 'read it in a worker, where only the parts that are needed are read';

/**
 * Bytes by a name that diagnostics show in angle brackets. In a worker of a browser a Blob or an URL is read in parts, when they are
 * needed; elsewhere nothing can be read at once, so it is read whole first. Throws LOTR1002.
 */
export async function openSource(input: SourceInput, name: string): Promise<ByteSource> {
  const label = `<${name}>`;
  if (input instanceof Uint8Array) return new MemorySource(input, label);
  if (input instanceof ArrayBuffer) return new MemorySource(new Uint8Array(input), label);
  if (typeof input === 'string') return openUrl(input, label);
  if ('href' in input) return openUrl(input.href, label);
  return 'arrayBuffer' in input ? openBlob(input, label) : renamed(input, label);
}

/** The name of an input by what it says itself; `other` when it says none. */
export function nameOf(input: SourceInput, other: string): string {
  if (input instanceof Uint8Array || input instanceof ArrayBuffer) return other;
  if (typeof input === 'string' || 'href' in input) {
    const url = typeof input === 'string' ? input : input.href;
    const path = url.replace(/[?#].*$/s, '');
    const last = path.slice(path.lastIndexOf('/') + 1);
    // what comes after `data:` or `blob:` does not name a file
    return /^(?:data|blob):/.test(url) || last === '' ? other : last;
  }
  if ('arrayBuffer' in input) return input.name ?? other;
  return input.path.replace(/^<(.*)>$/s, '$1').replace(/^.*[\\/]/s, '') || other;
}

/** A source of the caller under the name by which the model knows it. */
function renamed(source: ByteSource, path: string): ByteSource {
  const { size } = source;
  return {
    path,
    size,
    read: (offset, length) => source.read(offset, length),
    ...(source.readInto && { readInto: (into, offset) => source.readInto!(into, offset) }),
    ...(source.checkUnchanged && { checkUnchanged: () => source.checkUnchanged!() }),
  };
}

async function openBlob(blob: BlobLike, label: string): Promise<ByteSource> {
  const { FileReaderSync } = globalThis as SyncWorker;
  if (!FileReaderSync) return new MemorySource(new Uint8Array(await whole(blob, label)), label);
  const reader = new FileReaderSync();
  return new RangeSource(label, blob.size, (offset, length) => {
    const bytes = attempt(label, () => reader.readAsArrayBuffer(blob.slice(offset, offset + length)));
    return exactly(new Uint8Array(bytes), length, label);
  });
}

async function whole(body: { arrayBuffer(): Promise<ArrayBuffer> }, label: string): Promise<ArrayBuffer> {
  try {
    return await body.arrayBuffer();
  } catch (error) {
    return fail(cannotRead({ file: label, why: reason(error), hint: IN_WORKER }));
  }
}

async function openUrl(url: string, label: string): Promise<ByteSource> {
  const { XMLHttpRequest } = globalThis as SyncWorker;
  const { FileReaderSync } = globalThis as SyncWorker;
  // pages have the request too, but may not wait for bytes with it
  if (XMLHttpRequest && FileReaderSync) return openRanges(url, label, XMLHttpRequest);
  let answer: Awaited<ReturnType<typeof fetch>>;
  try {
    answer = await fetch(url);
  } catch (error) {
    return fail(cannotRead({ file: label, why: reason(error), hint: CHECK_URL }));
  }
  if (!answer.ok) refuseStatus(label, answer.status);
  return new MemorySource(new Uint8Array(await whole(answer, label)), label);
}

const CHECK_URL = 'check the URL, and that its server allows this page to read it (CORS)';

/** Reads an URL in parts with requests that are waited for. A server without ranges sends all of it at once, which is then held. */
function openRanges(
  url: string,
  label: string,
  Request: NonNullable<SyncWorker['XMLHttpRequest']>,
): ByteSource {
  const ask = (offset: number, length: number): SyncRequest => {
    const request = new Request();
    request.open('GET', url, false);
    request.responseType = 'arraybuffer';
    request.setRequestHeader('Range', `bytes=${offset}-${offset + length - 1}`);
    attempt(label, () => request.send(), CHECK_URL);
    return request;
  };
  const first = ask(0, 1);
  if (first.status === 200) return new MemorySource(bodyOf(first), label);
  // a range of an empty file is none
  if (first.status === 416) return new MemorySource(new Uint8Array(0), label);
  if (first.status !== 206) refuseStatus(label, first.status);
  const size = sizeOf(first) ?? lengthOf(url, label, Request);
  const state = stateOf(first);
  const readRange: ReadRange = (offset, length) => {
    const part = ask(offset, length);
    if (part.status !== 206 || stateOf(part) !== state || (sizeOf(part) ?? size) !== size)
      fail(fileChanged({ file: label }));
    return exactly(bodyOf(part), length, label);
  };
  return new RangeSource(label, size, readRange);
}

/** The size that `Content-Range` gives; null where the server keeps that header from other sites. */
function sizeOf(request: SyncRequest): number | null {
  const size = /\/(\d+)$/.exec(request.getResponseHeader('Content-Range') ?? '')?.[1];
  return size === undefined ? null : Number(size);
}

/** The size that a question for the headers alone gives. Throws LOTR1002. */
function lengthOf(url: string, label: string, Request: NonNullable<SyncWorker['XMLHttpRequest']>): number {
  const request = new Request();
  request.open('HEAD', url, false);
  attempt(label, () => request.send(), CHECK_URL);
  const size = request.getResponseHeader('Content-Length');
  if (size === null || !/^\d+$/.test(size)) {
    fail(cannotRead({ file: label, why: 'its server does not tell how long it is', hint: CHECK_URL }));
  }
  return Number(size);
}

/** Differs between states of what is at an URL, where the server tells. */
const stateOf = (request: SyncRequest): string =>
  request.getResponseHeader('ETag') ?? request.getResponseHeader('Last-Modified') ?? '';

const bodyOf = (request: SyncRequest): Uint8Array => new Uint8Array(request.response as ArrayBuffer);

function exactly(bytes: Uint8Array, length: number, label: string): Uint8Array {
  return bytes.byteLength === length ? bytes : fail(fileChanged({ file: label }));
}

function refuseStatus(label: string, status: number): never {
  return fail(cannotRead({ file: label, why: `its server answers ${status}`, hint: CHECK_URL }));
}

function attempt<T>(label: string, act: () => T, hint = 'choose the file again'): T {
  try {
    return act();
  } catch (error) {
    return fail(cannotRead({ file: label, why: reason(error), hint }));
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
