import { deserialize, serialize } from 'node:v8';
import { rankSilent } from '../../../ir/codes/distributed.js';
import { type Diagnostic, fail, LotrcError } from '../../../ir/diagnostics.js';
import type { ProcessGroup } from '../group.js';
import { SHORT_SUM } from '../wire.js';
import { type MpiLibrary, type Pending, steady } from './library.js';

/** Numbers that are added up at a time: memory stays bounded, and the lengths of messages fit their C type. */
const PIECE = 1 << 22;
/** Bytes in a message from rank 0. */
const LONGEST_MESSAGE = 1 << 28;

/** Milliseconds of waiting from which the other processes of the machine get more of it: [from, pause]. */
const PAUSES = [
  [50, 5],
  [2, 1],
] as const;

type FromFirst<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'refused'; readonly diagnostics: readonly Diagnostic[] };

/** Processes that an MPI library connects. Waiting leaves the event loop free and ends after `seconds` with LOTR8266. */
export class MpiGroup implements ProcessGroup {
  readonly rank: number;
  readonly size: number;
  readonly #library: MpiLibrary;
  readonly #seconds: number;

  constructor(library: MpiLibrary, seconds: number) {
    this.#library = library;
    this.#seconds = seconds;
    this.rank = library.rank();
    this.size = library.size();
  }

  async sum(values: Float64Array): Promise<void> {
    for (let start = 0; start < values.length; start += PIECE) {
      const piece = values.subarray(start, start + PIECE);
      if (piece.length > SHORT_SUM) await this.#sumByShares(piece);
      else addUp(await this.gather(piece), piece);
    }
  }

  async gather(values: Float64Array): Promise<readonly Float64Array[]> {
    const all = numbers(values.length * this.size);
    await this.#wait(this.#library.gather(inSteadyMemory(values), all));
    return rowsOf(all, this.size);
  }

  async all<T>(own: T): Promise<readonly T[]> {
    const bytes = serialize(own);
    const lengths = (await this.gather(Float64Array.of(bytes.length))).map(([length]) => length!);
    const longest = Math.ceil(Math.max(...lengths) / 8);
    const parts = lengths.map((length) => new Uint8Array(length));
    for (let start = 0; start < longest; start += PIECE) {
      const row = numbers(Math.min(PIECE, longest - start));
      new Uint8Array(row.buffer).set(bytes.subarray(8 * start, 8 * start + row.byteLength));
      for (const [rank, piece] of (await this.gather(row)).entries()) {
        const left = parts[rank]!.subarray(8 * start, 8 * start + row.byteLength);
        left.set(new Uint8Array(piece.buffer, piece.byteOffset, left.length));
      }
    }
    return parts.map((part) => deserialize(part) as T);
  }

  async ofFirst<T>(make: () => T | Promise<T>): Promise<T> {
    const made = this.rank === 0 ? await attempt(make) : null;
    const sent = made ? new Uint8Array(serialize(made)) : new Uint8Array(0);
    const length = (await this.gather(Float64Array.of(sent.length)))[0]![0]!;
    const bytes = new Uint8Array(steady(length));
    bytes.set(sent);
    for (let start = 0; start < length; start += LONGEST_MESSAGE)
      await this.#wait(this.#library.broadcast(bytes.subarray(start, start + LONGEST_MESSAGE)));
    const got = made ?? (deserialize(bytes) as FromFirst<T>);
    if (got.kind === 'refused') throw new LotrcError(got.diagnostics);
    return got.value;
  }

  /** Each rank adds up one share of the numbers, and all get all shares. */
  async #sumByShares(values: Float64Array): Promise<void> {
    const share = Math.ceil(values.length / this.size);
    const [sent, all] = [numbers(share * this.size), numbers(share * this.size)];
    sent.set(values);
    await this.#wait(this.#library.exchange(sent, all));
    const own = numbers(share);
    addUp(rowsOf(all, this.size), own);
    await this.#wait(this.#library.gather(own, all));
    values.set(all.subarray(0, values.length));
  }

  async #wait(pending: Pending): Promise<void> {
    const started = performance.now();
    while (!pending.ended()) {
      const waited = performance.now() - started;
      if (waited > 1000 * this.#seconds)
        fail(rankSilent({ rank: this.rank, size: this.size, seconds: this.#seconds }));
      const pause = PAUSES.find(([from]) => waited >= from)?.[1];
      await new Promise<void>((resume) => {
        if (pause === undefined) setImmediate(resume);
        else setTimeout(resume, pause);
      });
    }
  }
}

const numbers = (length: number): Float64Array<ArrayBuffer> => new Float64Array(steady(8 * length));

function inSteadyMemory(values: Float64Array): Float64Array {
  const copy = numbers(values.length);
  copy.set(values);
  return copy;
}

/** Equal rows that lie one behind another. */
function rowsOf(all: Float64Array, count: number): readonly Float64Array[] {
  const length = all.length / count;
  return Array.from({ length: count }, (_, row) => all.subarray(row * length, (row + 1) * length));
}

/** Puts the sum of the rows, added in their order, into `into`. */
function addUp(rows: readonly Float64Array[], into: Float64Array): void {
  into.fill(0);
  for (const row of rows) for (let i = 0; i < into.length; i++) into[i] = into[i]! + row[i]!;
}

async function attempt<T>(make: () => T | Promise<T>): Promise<FromFirst<T>> {
  try {
    return { kind: 'value', value: await make() };
  } catch (error) {
    if (error instanceof LotrcError) return { kind: 'refused', diagnostics: error.diagnostics };
    throw error;
  }
}
