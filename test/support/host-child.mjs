// Runs an emitted module in a process of its own: node host-child.mjs MODULE JOB RESULT with Dawn, deno run -A ... with wgpu.
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { runJob } from './host-job.mjs';
import { FLAGS } from './patient.mjs';

const [, , path, input, output] = process.argv;
const job = JSON.parse(readFileSync(input, 'utf8'));
const module = await import(pathToFileURL(path).href);
// what is not held here is collected while it works, which ends the process
const held = (globalThis.held = {});
held.gpu = globalThis.Deno ? navigator.gpu : (await import('webgpu')).create(['backend=vulkan', ...FLAGS]);
held.adapter = await held.gpu.requestAdapter();
if (!held.adapter) throw new Error('no adapter');
held.device = await held.adapter.requestDevice(module.requirements(job.tokens));
held.answer = await runJob(module, held.device, job);
const { names, messages, reads } = held.answer;
writeFileSync(output, JSON.stringify({ names, messages, reads }));
process.exit(0);
