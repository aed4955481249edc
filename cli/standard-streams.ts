import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Janitor } from '../src/ir/files/janitor.js';
import { pause } from '../src/ir/files/pause.js';
import { visibleLines } from '../src/ir/visible.js';
import { refuseUsage } from '../src/options/usage.js';
import type { Io } from './io.js';

/** What stands for stdin or stdout in place of a file. */
export const STANDARD = '-';

const CHUNK = 1 << 20;
const FOLDER = 'lotrc-stdin-';
const PAUSE_MS = 10;

/**
 * Copies stdin to a temporary file, which is removed when this process ends, so that weights stay out of memory. Text, which
 * begins with `<`, is a model in text form.
 */
export const modelFromStdin = (): string =>
  fileFromStdin('model', (start) => (start[0] === 0x3c ? 'stdin.onnxtxt' : 'stdin.onnx'));

/** The same for data: JSON Lines, or a table, whose head has tabs or commas. */
const dataFromStdin = (): string =>
  fileFromStdin('data', (start) => {
    const text = Buffer.from(start).toString('utf8').trimStart();
    if (text.startsWith('{')) return 'stdin.jsonl';
    return text.split('\n', 1)[0]!.includes('\t') ? 'stdin.tsv' : 'stdin.csv';
  });

/** Options with a file in place of stdin as data. Throws a usage error where stdin is read twice. `model`: what is read besides. */
export function withData<
  O extends { readonly data?: string | undefined; readonly evalData?: string | undefined },
>(options: O, model?: string): O {
  if (options.evalData === STANDARD) refuseUsage('--eval-data must be a file: stdin is for --data');
  if (options.data !== STANDARD) return options;
  if (model !== undefined && isFromStdin(model))
    refuseUsage('--data - and the model are both to come from stdin: give one of them as a file');
  return { ...options, data: dataFromStdin() };
}

/** `named`: the name of the file from its first bytes. */
function fileFromStdin(what: string, named: (start: Uint8Array) => string): string {
  if (process.stdin.isTTY) refuseUsage(`- reads the ${what} from stdin, which is a terminal here`);
  const folder = temporaryFolder(FOLDER);
  const buffer = Buffer.allocUnsafe(CHUNK);
  let count = readSome(buffer);
  const path = join(folder, named(buffer.subarray(0, count)));
  const fd = openSync(path, 'wx', 0o600);
  for (; count > 0; count = readSome(buffer)) writeAll(fd, buffer.subarray(0, count));
  closeSync(fd);
  return path;
}

/** Whether a path lies next to a model that came from stdin. */
export const isFromStdin = (path: string): boolean => basename(dirname(path)).startsWith(FOLDER);

/** Writes a file by its parts to stdout and removes it with its folder. */
export function fileToStdout(io: Io, write: (path: string) => string): void {
  const path = write(temporaryFolder('lotrc-stdout-'));
  const fd = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
    bytesOut(io, Uint8Array.from(buffer.subarray(0, count)));
  closeSync(fd);
}

/** Writes text to stdout where it is the file that `-o -` asks for. */
export const textToStdout = (io: Io, text: string): void => bytesOut(io, Buffer.from(visibleLines(text)));

function bytesOut(io: Io, chunk: Uint8Array): void {
  if (io.bytes) io.bytes(chunk);
  else writeAll(1, chunk);
}

function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  const janitor = new Janitor([folder]);
  janitor.watch();
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
    janitor.dismiss();
  });
  return folder;
}

/** Bytes from stdin, 0 at its end; a pipe that has none yet is waited for. */
function readSome(buffer: Buffer): number {
  for (;;) {
    try {
      return readSync(0, buffer, 0, buffer.length, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      pause(PAUSE_MS);
    }
  }
}

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.byteLength; ) {
    try {
      done += writeSync(fd, chunk, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // a reader such as `head` closed the pipe early: the command ends without a complaint
      if (code === 'EPIPE') process.exit(process.exitCode ?? 0);
      if (code !== 'EAGAIN') throw error;
      pause(PAUSE_MS);
    }
  }
}
