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
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return text === '' ? null : text.replaceAll('\0', ' ');
  } catch {
    return null;
  }
}

/** Processes that a process started. */
function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** The process that a process started for a program; null when there is none (yet). */
export const childOf = (pid: number, program: string): number | null =>
  childrenOf(pid).find((child) => commandOf(child)?.includes(program)) ?? null;

/** Processor time that a process has used, in the system's ticks. */
export const ticks = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[13]);
