// The page of run.ts: layers in ONNX Runtime Web and as emitted kernels, on one device, in turns.
import { modules } from 'emitted-modules';
import * as ort from 'onnxruntime-web/webgpu';

// a page without cross-origin isolation has one thread
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/ort/';
ort.env.logLevel = 'error';

/** What was given to the device since `counted` was last called. */
const given = { dispatches: 0, submissions: 0, workgroups: 0, bytes: 0 };
const counted = () => {
  const found = { ...given };
  for (const key of Object.keys(given)) given[key] = 0;
  return found;
};

/** Counts dispatches, and the bytes of the storage that each binds, whoever calls WebGPU. */
function watch() {
  const bytesOf = new WeakMap();
  const bound = new WeakMap();
  const around = (type, name, before) => {
    const own = type.prototype[name];
    type.prototype[name] = function (...args) {
      before(this, ...args);
      return own.apply(this, args);
    };
  };
  const make = GPUDevice.prototype.createBindGroup;
  GPUDevice.prototype.createBindGroup = function (of) {
    const group = make.call(this, of);
    let bytes = 0;
    for (const { resource } of of.entries) {
      const buffer = resource.buffer ?? resource;
      if (buffer instanceof GPUBuffer && buffer.usage & GPUBufferUsage.STORAGE)
        bytes += resource.size ?? buffer.size - (resource.offset ?? 0);
    }
    bytesOf.set(group, bytes);
    return group;
  };
  around(GPUComputePassEncoder, 'setBindGroup', (pass, _, group) => bound.set(pass, bytesOf.get(group)));
  around(GPUComputePassEncoder, 'dispatchWorkgroups', (pass, x, y = 1, z = 1) => {
    given.dispatches++;
    given.workgroups += x * y * z;
    given.bytes += bound.get(pass);
  });
  around(GPUQueue, 'submit', () => given.submissions++);
}

/** Numbers between -1 and 1, the same for every way to compute. */
function numbers(count, seed) {
  let state = seed * 7919 + 17;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The float32 tensors of a safetensors file. */
function tensorsIn(file) {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const { __metadata__: _, ...rows } = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  return Object.entries(rows).map(
    ([
      name,
      {
        data_offsets: [from, to],
      },
    ]) => [name, new Float32Array(file.slice(8 + length + from, 8 + length + to))],
  );
}

const bytesAt = async (path) => (await fetch(path)).arrayBuffer();

/** A model in ONNX Runtime Web: inputs and outputs lie on the device. */
async function inRuntime(device, path, rows, inputs) {
  const session = await ort.InferenceSession.create(new Uint8Array(await bytesAt(path)), {
    executionProviders: [{ name: 'webgpu', device }],
    preferredOutputLocation: 'gpu-buffer',
  });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const feeds = Object.fromEntries(
    inputs.map(({ name, width }, k) => {
      const buffer = device.createBuffer({ size: 4 * rows * width, usage });
      device.queue.writeBuffer(buffer, 0, numbers(rows * width, k));
      return [name, ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [rows, width] })];
    }),
  );
  return {
    async run() {
      const results = await session.run(feeds);
      for (const tensor of Object.values(results)) tensor.dispose();
    },
    async outputs() {
      const results = await session.run(feeds);
      const data = {};
      for (const [name, tensor] of Object.entries(results)) data[name] = await tensor.getData(true);
      return data;
    },
  };
}

/** The emitted kernels: all regions in one pass. */
async function asKernels(device, emitted, folder, rows, inputs) {
  const adapters = await emitted.createAdapters(device, { tokens: rows });
  const tensors = tensorsIn(await bytesAt(`${folder}/weights.safetensors`));
  const among = (places) => Object.fromEntries(tensors.filter(([name]) => Object.hasOwn(places, name)));
  adapters.setWeights(among(emitted.WEIGHTS));
  adapters.setAdapter(among(emitted.FACTORS));
  const outputOf = Object.assign({}, ...inputs.map(({ outputs }) => outputs));
  for (const { x, layers } of emitted.REGIONS) {
    const k = inputs.findIndex(({ outputs }) => Object.hasOwn(outputs, layers[0]));
    adapters.write(x, numbers(rows * inputs[k].width, k));
  }
  const run = async () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { index } of emitted.REGIONS) adapters.encode(pass, index);
    pass.end();
    device.queue.submit([encoder.finish()]);
  };
  return {
    run,
    async outputs() {
      await run();
      const data = {};
      for (const { layers, y } of emitted.REGIONS)
        for (const [k, layer] of layers.entries()) data[outputOf[layer]] = await adapters.read(y[k]);
      return data;
    },
  };
}

/** Largest difference over the largest number. */
function errorOf(found, expected) {
  let [worst, largest] = [0, 1e-30];
  for (const [name, numbers] of Object.entries(expected)) {
    if (found[name]?.length !== numbers.length) throw new Error(`${name} has another length`);
    for (const [k, number] of numbers.entries()) {
      worst = Math.max(worst, Math.abs(found[name][k] - number));
      largest = Math.max(largest, Math.abs(number));
    }
  }
  return worst / largest;
}

async function bench() {
  const { cases, repeat, runs } = await (await fetch('/job')).json();
  if (!navigator.gpu) throw new Error('the browser has no WebGPU');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no adapter');
  const LIMITS = [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxStorageBuffersPerShaderStage',
  ];
  const device = await adapter.requestDevice({
    requiredFeatures: ['shader-f16', 'subgroups'].filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  const complaints = [];
  device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  watch();
  const found = [];
  for (const { rows, inputs, columns } of cases) {
    const made = [];
    for (const { model, module, folder } of columns)
      made.push(
        model === undefined
          ? await asKernels(device, modules[module], folder, rows, inputs)
          : await inRuntime(device, model, rows, inputs),
      );
    const outputs = [];
    for (const one of made) outputs.push(await one.outputs());
    const results = made.map((_, k) => ({ error: errorOf(outputs[k], outputs[0]), times: [], counts: null }));
    for (let round = 0; round <= repeat; round++)
      for (const [k, { run }] of made.entries()) {
        await device.queue.onSubmittedWorkDone();
        counted();
        const start = performance.now();
        for (let i = 0; i < runs; i++) await run();
        await device.queue.onSubmittedWorkDone();
        const seconds = (performance.now() - start) / 1000 / runs;
        // the first round is not timed
        if (round > 0) results[k].times.push(seconds);
        results[k].counts = counted();
      }
    if (complaints.length > 0) throw new Error(complaints[0]);
    found.push(results);
  }
  const { vendor = '', architecture = '', description = '' } = adapter.info ?? {};
  return { found, device: [vendor, architecture, description].filter(Boolean).join(' ') || 'unknown' };
}

const answer = await bench().catch((error) => ({ failed: String(error?.stack ?? error) }));
await fetch('/answer', { method: 'POST', body: JSON.stringify(answer) });
document.querySelector('pre').textContent = answer.failed ?? 'done: see the terminal';
