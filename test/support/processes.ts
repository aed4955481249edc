import { readFileSync } from 'node:fs';

/** Processes as /proc shows them: Linux only. */

export const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Looks again and again, until something is found. */
export async function until<T>(look: () => T | null): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== null) return found;
    await pause(50);
  }
}

/** Command line of a process, its words separated by spaces; null when there is no such process. */
export function commandOf(pid: number): string | null {
  const text = textOf(`/proc/${pid}/cmdline`);
  return text === '' ? null : text.replaceAll('\0', ' ');
}

/** Processes that a process started. */
function childrenOf(pid: number): readonly number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
}

/** The process that a process started for a program; null when there is none (yet). */
export const childOf = (pid: number, program: string): number | null =>
  childrenOf(pid).find((child) => commandOf(child)?.includes(program)) ?? null;

/** Bytes of resident memory of a process and of those that it started, and they, together; 0 where there is none. */
export function residentOfTree(pid: number): number {
  const kilobytes = Number(/^VmRSS:\s*(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0);
  return childrenOf(pid).reduce((sum, child) => sum + residentOfTree(child), 1024 * kilobytes);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Processor time that a process has used, in the system's ticks. */
export const ticks = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[13]);
