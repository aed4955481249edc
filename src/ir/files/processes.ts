import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * A process as others can recognise it. Ids are used again, so a process is its id and its start; and an id means something
 * only on the machine, and in the container, that gave it.
 */
export interface ProcessMark {
  readonly host: string;
  /** which numbering of processes the id belongs to: a container has its own; null where the system does not say */
  readonly space: string | null;
  readonly pid: number;
  /** start of the machine, and of the process since then; null where the system does not say */
  readonly start: string | null;
}

export function thisProcess(): ProcessMark {
  return { host: hostname(), space: ownSpace(), pid: process.pid, start: startOf(process.pid) };
}

/** Whether the process belongs to this machine and container, so that its end can be seen from here. */
export function canBeSeen({ host, space }: ProcessMark): boolean {
  return host === hostname() && space === ownSpace();
}

/** Whether a process that can be seen from here still runs: one with its id, and not a later one. */
export function stillRuns({ pid, start }: ProcessMark): boolean {
  if (!isRunning(pid)) return false;
  const now = startOf(pid);
  return start === null || now === null || now === start;
}

/** Whether there is a process with this id, which has not ended. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return startOf(pid) !== 'ended';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Null where the system does not say, as for processes of other users on some machines. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the name of the program has parentheses around it and may hold any character
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // its parent has not asked after it yet
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}+${fields[19]}`;
  } catch {
    return null;
  }
}

function ownSpace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}
