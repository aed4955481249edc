// The page of runInBrowser: an emitted module as a user's bundler packs it, which gets a job and returns the answer.
import * as emitted from 'emitted-module';
import { runJob } from './host-job.mjs';

async function answer() {
  const job = await (await fetch('/job')).json();
  if (!navigator.gpu) throw new Error('the browser has no WebGPU');
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error('no adapter');
  const device = await adapter.requestDevice(emitted.requirements(job.tokens));
  const { names, messages, reads } = await runJob(emitted, device, job);
  return { names, messages, reads, agent: navigator.userAgent };
}

const body = await answer().catch((error) => ({ failed: String(error?.stack ?? error) }));
await fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
