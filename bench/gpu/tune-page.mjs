// The page of the tuner: times every candidate of every job on this browser's GPU. See tune.ts.
const say = (text) => {
  document.querySelector('pre').textContent += `${text}\n`;
};

/** Deterministic numbers between -1 and 1, none of them zero. */
function noise(count) {
  let state = 12345;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 31 - 1 || 0.5;
  });
}

async function contents(device, buffer) {
  const copy = device.createBuffer({
    size: buffer.size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const data = new Float32Array(copy.getMappedRange().slice(0));
  copy.destroy();
  return data;
}

/** Seconds of one dispatch of each candidate: the least of the rounds; null for one that gives other numbers. */
async function timesOf(device, { buffers, uniforms, out, candidates }, { rounds, repeats }) {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const held = new Map(
    buffers.map(({ name, elements }) => [name, device.createBuffer({ size: 4 * elements, usage })]),
  );
  for (const { name, elements } of buffers) device.queue.writeBuffer(held.get(name), 0, noise(elements));
  const lengths = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(
    lengths,
    0,
    Uint32Array.from({ length: 4 }, (_, i) => uniforms[i] ?? 0),
  );
  const result = held.get(out);
  let expected = null;
  const found = [];
  for (const { code, bindings, grid } of candidates) {
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    const resources = [...bindings.map((name) => held.get(name)), ...(uniforms.length > 0 ? [lengths] : [])];
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const run = async (count) => {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...grid);
      pass.end();
      const start = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return (performance.now() - start) / 1000;
    };
    device.queue.writeBuffer(result, 0, new Float32Array(result.size / 4));
    await run(1);
    const numbers = await contents(device, result);
    expected ??= numbers;
    const largest = expected.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-30);
    const error = numbers.reduce((a, v, i) => Math.max(a, Math.abs(v - expected[i])), 0) / largest;
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) least = Math.min(least, (await run(repeats)) / repeats);
    found.push(error < 1e-4 ? least : null);
  }
  for (const buffer of [...held.values(), lengths]) buffer.destroy();
  return found;
}

async function tune() {
  const { jobs, rounds, repeats } = await (await fetch('/job')).json();
  if (!navigator.gpu) throw new Error('the browser has no WebGPU');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no adapter');
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = adapter.limits;
  const requiredLimits = { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize };
  const device = await adapter.requestDevice({ requiredLimits });
  const complaints = [];
  device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  const times = [];
  for (const job of jobs) {
    say(job.label);
    times.push(await timesOf(device, job, { rounds, repeats }));
    if (complaints.length > 0) throw new Error(complaints[0]);
  }
  const { vendor = '', architecture = '', description = '' } = adapter.info ?? {};
  return { times, device: [vendor, architecture, description].filter(Boolean).join(' ') || 'unknown' };
}

const answer = await tune().catch((error) => ({ failed: String(error?.stack ?? error) }));
await fetch('/answer', { method: 'POST', body: JSON.stringify(answer) });
say(answer.failed ?? 'done: see the terminal');
