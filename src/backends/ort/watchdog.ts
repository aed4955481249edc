import { workerData } from 'node:worker_threads';

/**
 * Thread of the process that runs ONNX Runtime: ends that process when the one that started it is gone. The main thread cannot
 * see it, since it is in native code while a model runs.
 */
const parent = workerData as number;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, 250);
