import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { workerData } from 'node:worker_threads';

/**
 * Thread of a process that runs models: ends that process when the one that started it is gone. The main thread cannot
 * see it, since it is in native code while a model runs. Also when that process takes nearly all memory, before the system
 * ends others for want of it.
 */
const parent = workerData as number;
/** part of the machine's memory, or of what a container allows, that a model may take */
const SHARE = 0.9;
const allowed = SHARE * Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);

/** Bytes that the system cannot take back: without pages of files, such as mapped weights, where it tells them apart. */
function taken(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const status = readFileSync('/proc/self/status', 'utf8');
  const lines = [...status.matchAll(/^Rss(?:Anon|Shmem):\s*(\d+) kB$/gm)];
  if (lines.length === 0) return process.memoryUsage.rss();
  return lines.reduce((sum, [, kilobytes]) => sum + 1024 * Number(kilobytes), 0);
}

setInterval(() => {
  if (process.ppid !== parent || taken() > allowed) process.kill(process.pid, 'SIGKILL');
}, 250);
