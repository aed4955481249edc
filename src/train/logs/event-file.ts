import { closeSync, existsSync, fsyncSync, ftruncateSync, writeSync } from 'node:fs';
import { cannotWrite } from '../../ir/codes/load.js';
import { eventsDamaged } from '../../ir/codes/logs.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';
import { openOwn } from '../../ir/files/own-file.js';
import { decodeEvent, encodeScalars, encodeSettings, encodeVersion, type ScalarEvent } from './event.js';
import type { Settings } from './hparams.js';
import { framed, readRecords } from './records.js';

/** A TensorBoard event file that is being written. Each event is handed to the system at once, whole. */
export class EventWriter {
  readonly #fd: number;
  readonly #path: string;
  #length: number;

  /**
   * Opens the file and cuts it to `keep` bytes; with 0 a new file takes its place. Throws LOTR1201, also for what is no
   * regular file or has a second name.
   */
  constructor(path: string, keep = 0) {
    this.#path = path;
    this.#fd = this.#try(() => openOwn(path, keep > 0));
    this.#length = keep;
    this.#try(() => ftruncateSync(this.#fd, keep));
    if (keep === 0) this.#append(encodeVersion(now()));
  }

  /** Values at a step. NaN and the infinities are stored as they are. */
  scalars(step: number, values: Iterable<[string, number]>): void {
    this.#append(encodeScalars(now(), step, values));
  }

  settings(settings: Settings): void {
    this.#append(encodeSettings(now(), settings));
  }

  /** Makes everything written so far survive a failure of the machine. */
  sync(): void {
    this.#try(() => fsyncSync(this.#fd));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(data: Uint8Array): void {
    const record = framed(data);
    this.#try(() => {
      for (let done = 0; done < record.byteLength; ) {
        done += writeSync(this.#fd, record, done, record.byteLength - done, this.#length + done);
      }
    });
    this.#length += record.byteLength;
  }

  #try<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return fail(cannotWrite({ file: this.#path, why: error.message }));
    }
  }
}

function now(): number {
  return Date.now() / 1000;
}

export interface EventFile {
  readonly events: readonly ScalarEvent[];
  /** LOTR5201 when a part of the file could not be used */
  readonly diagnostics: readonly Diagnostic[];
}

/** The complete records of an event file. Throws LOTR1002 when the file cannot be read. */
export function readEvents(file: string): EventFile {
  const events: ScalarEvent[] = [];
  const damages: { at: number; why: string }[] = [];
  for (const record of readRecords(file)) {
    if ('damage' in record) damages.push({ at: record.at, why: record.damage });
    else {
      try {
        events.push(decodeEvent(record.data));
      } catch (error) {
        damages.push({ at: record.at, why: `a record is not an event: ${(error as Error).message}` });
      }
    }
  }
  return { events, diagnostics: damages.length > 0 ? [eventsDamaged({ file, damages })] : [] };
}

/**
 * The length up to which a file has records of steps up to `step` only: a run that is resumed from a checkpoint keeps
 * this part of the file. 0 when there is no file, or nothing in it is whole.
 */
export function lengthUpTo(file: string, step: number): number {
  if (!existsSync(file)) return 0;
  let length = 0;
  for (const record of readRecords(file)) {
    if ('damage' in record || stepOf(record.data) > step) break;
    length = record.end;
  }
  return length;
}

/** The step of an event; infinite for bytes that are not an event. */
function stepOf(data: Uint8Array): number {
  try {
    return decodeEvent(data).step;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
