// Runs WGSL kernels in a process of its own: node dawn-child.mjs JOBS RESULTS with Dawn, deno run -A dawn-child.mjs JOBS RESULTS
// with what Deno brings (wgpu, naga). Both files are JSON; buffers are base64.
import { Buffer } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { FLAGS } from './patient.mjs';

const { backend, jobs } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// what is not held here is collected while it works, which ends the process
const held = (globalThis.held = {});
if (globalThis.Deno) held.gpu = navigator.gpu;
else {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  held.gpu = create([`backend=${backend}`, 'enable-dawn-features=allow_unsafe_apis', ...FLAGS]);
}
held.adapter = await held.gpu.requestAdapter();
if (!held.adapter) throw new Error(`no adapter for ${backend}`);
const wanted = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'chromium-experimental-subgroup-matrix',
].filter((feature) => held.adapter.features.has(feature));
held.device = await held.adapter.requestDevice({ requiredFeatures: wanted });
const { device } = held;

const results = [];
for (const job of jobs) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: job.code });
  const info = await module.getCompilationInfo();
  const messages = info.messages.map(({ lineNum, message }) => `${lineNum}: ${message}`);
  let pipeline = null;
  if (messages.length === 0) {
    // the layout is stated, as the host states it: one that Dawn derives would hide a wrong binding
    const layout = device.createBindGroupLayout({
      entries: job.layout.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    pipeline = device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
  }
  const error = await device.popErrorScope();
  if (error) messages.push(error.message);
  results.push({ messages, out: job.grid && messages.length === 0 ? await run(pipeline, job) : null });
}
writeFileSync(process.argv[3], JSON.stringify(results));
process.exit(0);

async function run(pipeline, { grid, buffers, out, layout }) {
  const bound = buffers.map((text, index) => {
    const bytes = Buffer.from(text, 'base64');
    const uniform = layout[index] === 'uniform';
    const usage =
      (uniform ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE) |
      GPUBufferUsage.COPY_SRC |
      GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: uniform ? Math.max(16, bytes.length) : bytes.length, usage });
    device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  });
  const entries = bound.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...grid);
  pass.end();
  const staging = device.createBuffer({
    size: bound[out].size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  encoder.copyBufferToBuffer(bound[out], 0, staging, 0, bound[out].size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const text = Buffer.from(staging.getMappedRange()).toString('base64');
  staging.unmap();
  for (const buffer of [...bound, staging]) buffer.destroy();
  return text;
}
