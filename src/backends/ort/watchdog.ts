import { totalmem } from 'node:os';
import { workerData } from 'node:worker_threads';

/**
 * Thread of the process that runs ONNX Runtime: ends that process when the one that started it is gone. The main thread cannot
 * see it, since it is in native code while a model runs. Also when that process takes nearly all memory, before the system
 * ends others for want of it.
 */
const parent = workerData as number;
/** part of the machine's memory, or of what a container allows, that a model may take */
const SHARE = 0.9;
const allowed = SHARE * Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);

setInterval(() => {
  if (process.ppid !== parent || process.memoryUsage.rss() > allowed) process.kill(process.pid, 'SIGKILL');
}, 250);
