import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { internal } from '../src/ir/codes/cli.js';
import type { Diagnostic } from '../src/ir/diagnostics.js';
import { writeAtomically } from '../src/ir/files/atomic.js';
import { version } from './version.js';

/** Writes a report on a bug in lotrc and returns the diagnostic that names it. */
export function crashReport(error: unknown, argv: readonly string[]): Diagnostic {
  const problem = error instanceof Error ? error : new Error(String(error));
  const command = `lotrc ${argv.map((word) => JSON.stringify(word)).join(' ')}`;
  const file = writeReport(
    `${aboutThisLotrc()}\ncommand: ${command}\n${problem.stack ?? problem.message}\n`,
    'txt',
  );
  return internal({ what: file === null ? (problem.stack ?? problem.message) : problem.message, file });
}

export function aboutThisLotrc(): string {
  return `lotrc ${version()}, Node ${process.version}, ${process.platform} ${process.arch}`;
}

/** Writes a report into the system's temporary folder, under a name made from its contents; null when that fails. */
export function writeReport(text: string, extension: 'txt' | 'onnxtxt'): string | null {
  const name = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const file = join(tmpdir(), `lotrc-report-${name}.${extension}`);
  try {
    writeAtomically([{ path: file, write: (sink) => sink.write(Buffer.from(text)) }]);
    return file;
  } catch {
    return null; // no space, or something else is at the path: only the message is printed
  }
}
