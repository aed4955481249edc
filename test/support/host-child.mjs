// Runs an emitted module with Dawn in a process of its own: node host-child.mjs MODULE JOB RESULT. A job is what to set and
// in which order to call: see host.ts.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { create } from 'webgpu';

const [, , path, input, output] = process.argv;
const { tokens, weights, factors, calls } = JSON.parse(readFileSync(input, 'utf8'));
const module = await import(pathToFileURL(path).href);
// what is not held here is collected while it works, which ends the process
const held = (globalThis.held = {});
held.gpu = create(['backend=vulkan']);
held.adapter = await held.gpu.requestAdapter();
if (!held.adapter) throw new Error('no adapter');
held.device = await held.adapter.requestDevice(module.requirements(tokens));
const messages = [];
held.device.addEventListener('uncapturederror', ({ error }) => messages.push(error.message));
const arrays = (record) =>
  Object.fromEntries(Object.entries(record).map(([name, data]) => [name, Float32Array.from(data)]));
const host = (held.host = await module.createAdapters(held.device, { tokens }));
host.setWeights(arrays(weights));
host.setAdapter(arrays(factors));
const reads = {};
for (const [what, argument, data] of calls) {
  try {
    if (what === 'read') reads[data ?? argument] = [...(await host.read(argument))];
    else if (what === 'write') host.write(argument, Float32Array.from(data));
    else if (what === 'setAdapter') host.setAdapter(arrays(argument));
    else host[what](argument);
  } catch (error) {
    messages.push(error.message);
  }
}
writeFileSync(output, JSON.stringify({ names: Object.keys(host), messages, reads }));
process.exit(0);
