// #if EMIT_SOURCE

import {
  checkAdapter,
  checkLength,
  checkNotPacked,
  checkNumbers,
  checkTensors,
  isFraction,
  packedBuffer,
  regionOf,
} from './checks.js';
import { compilerOn, type Dispatch, READ, USAGE } from './compile.js';
import { fromHalves, toHalves } from './halves.js';
import { bytesOf, isHalf, missing, sizeOf } from './needs.js';
import {
  ADAPTERS,
  type Adapters,
  type AdaptersOptions,
  BUFFER_NAMES,
  type BufferName,
  CLEARED,
  EPILOGUE,
  FACTORS,
  type FactorName,
  KERNEL_NAMES,
  KERNELS,
  type Kernel,
  type KernelName,
  MERGE,
  type Place,
  type Places,
  PROLOGUE,
  ROW_BLOCK,
  STEPS,
  type StepBuffer,
  type TensorData,
  TOKENS,
  UNMERGE,
  WEIGHTS,
} from './plan.js';
import { rowAdapters } from './rows.js';
import { momentsOf, stateBytes, stateHeader, stateIn } from './state.js';
// #endif
/**
 * Makes all buffers and pipelines. Weights and factors are zero until they are set. Throws when the device
 * lacks something (see missing), has no room for the buffers, or when a kernel does not compile.
 *
 * @example
 * #insert example
 */
export async function createAdapters(device: GPUDevice, options: AdaptersOptions = {}): Promise<Adapters> {
  const { tokens = TOKENS } = options;
  const lacks = missing(device, tokens);
  if (lacks.length > 0) {
    const remedy = `ask for it with adapter.requestDevice(requirements(${tokens}))`;
    const check = `missing(adapter, ${tokens}) says whether the adapter has it`;
    throw new RangeError(`the device lacks ${lacks.join(', ')}: ${remedy}; ${check}`);
  }
  // first, so that nothing is allocated when a kernel does not compile
  const compile = compilerOn(device, tokens);
  const launches = await Promise.all(
    KERNEL_NAMES.map(async (name) => [name, await compile(name, KERNELS[name])] as const),
  );
  // #if EMIT_TRAINING
  const stepping = await Promise.all(
    STEPS.map(async (step) => [step, await compile(`step_${step.factor}`, step.kernel)] as const),
  );
  // #endif

  const owned: GPUBuffer[] = [];
  const allocate = (label: string, size: number, usage: number) => {
    const buffer = device.createBuffer({ label, size, usage });
    owned.push(buffer);
    return buffer;
  };
  const storage = USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST;
  device.pushErrorScope('out-of-memory');
  const buffers = Object.fromEntries(
    BUFFER_NAMES.map((name) => [name, allocate(name, bytesOf(name, tokens), storage)]),
  ) as Record<BufferName, GPUBuffer>;
  // every kernel that has uniforms reads the first of these
  const uniforms = allocate('uniforms', 16, USAGE.UNIFORM | USAGE.COPY_DST);
  // #if EMIT_TRAINING
  // #if EMIT_SOURCE
  const numbers = allocate('step', 16, USAGE.UNIFORM | USAGE.COPY_DST);
  // #else
  // #insert numbers
  // #endif
  const kept = new Map<BufferName, Readonly<Record<StepBuffer, GPUBuffer>>>();
  const bindSteps = stepping.map(([{ factor, gradient, kernel }, bind]) => {
    // #if EMIT_MOMENTS
    const size = bytesOf(factor, tokens);
    // #endif
    const own: Readonly<Record<StepBuffer, GPUBuffer>> = {
      parameter: buffers[factor],
      gradient: buffers[gradient],
      // #if EMIT_SOURCE
      moment1: allocate(`${factor}_moment1`, size, storage),
      // #else
      // #insert moments
      // #endif
    };
    kept.set(factor, own);
    const bound = kernel.bindings.map(({ buffer }) => ({ buffer: own[buffer] }));
    return () => bind([...bound, { buffer: numbers }]);
  });
  // #endif
  const full = await device.popErrorScope();
  if (full) {
    for (const buffer of owned) buffer.destroy();
    throw new Error(`the device has no room for the buffers of ${tokens} tokens: ${full.message}`);
  }
  // #if EMIT_MANY
  device.queue.writeBuffer(uniforms, 0, Uint32Array.of(tokens, Math.ceil(tokens / ROW_BLOCK), ROW_BLOCK, 0));
  // #else
  //-   device.queue.writeBuffer(uniforms, 0, Uint32Array.of(tokens, 0, 0, 0));
  // #endif
  const dispatches = Object.fromEntries(
    launches.map(([name, bind]) => {
      const { bindings, uniformBytes }: Kernel = KERNELS[name];
      // #if EMIT_SLICES
      const bound = bindings.map(({ buffer, offset = 0, size = buffers[buffer].size - offset }) => ({
        buffer: buffers[buffer],
        offset,
        size,
      }));
      // #else
      //-       const bound = bindings.map(({ buffer, offset = 0 }) => ({ buffer: buffers[buffer], offset }));
      // #endif
      return [name, bind(uniformBytes > 0 ? [...bound, { buffer: uniforms }] : bound)];
    }),
  ) as Record<KernelName, Dispatch>;
  // #if EMIT_TRAINING
  const updates = bindSteps.map((bind) => bind());
  const moments = momentsOf(kept);
  let steps = 0;
  // #endif

  let destroyed = false;
  let lost: string | null = null;
  void device.lost.then(({ reason, message }) => {
    lost = message || reason;
  });
  const checkAlive = () => {
    if (destroyed) throw new Error('these adapters are destroyed');
    if (lost !== null) throw new Error(`the device was lost: ${lost}; make the adapters again on another`);
  };
  const named = (names: readonly KernelName[]) => names.map((name) => dispatches[name]);
  const record = (pass: GPUComputePassEncoder, dispatches: readonly Dispatch[]) => {
    for (const { pipeline, group, grid } of dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
    }
  };
  const submit = (...lists: readonly (readonly Dispatch[])[]) => {
    checkAlive();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    record(pass, lists.flat());
    pass.end();
    device.queue.submit([encoder.finish()]);
  };

  const writePart = (
    buffer: GPUBuffer,
    { offset, rows, cols, rowStride }: Place,
    data: Float32Array<ArrayBuffer>,
  ) => {
    const stretches = rowStride === cols ? 1 : rows;
    const length = data.length / stretches;
    for (let row = 0; row < stretches; row++)
      device.queue.writeBuffer(buffer, 4 * (offset + row * rowStride), data, row * length, length);
  };

  /** whether what depends on the factors alone (L', merged weights) has to be computed again */
  let stale = true;
  const refresh = () => {
    checkAlive();
    const due = stale ? named(PROLOGUE) : [];
    stale = false;
    return due;
  };
  // #if EMIT_MERGING
  /** whether the weights hold the adapter */
  let merged = false;
  // #endif
  // #if EMIT_MANY
  const upload = (tensors: TensorData<string>, places: Places, adapter = 0) => {
    // #else
    //-   const upload = (tensors: TensorData<string>, places: Places) => {
    // #endif
    checkAlive();
    // #if EMIT_MERGING
    if (merged) throw new Error('the adapter is in the weights: unmerge first');
    // #endif
    // all are checked before the first is written
    checkTensors(tensors, places);
    for (const [name, data] of Object.entries(tensors)) {
      if (!data) continue;
      for (const place of places[name] ?? []) {
        const { buffer } = place;
        // #if EMIT_HALF
        if (isHalf(buffer)) {
          // a weight is the whole of its buffer
          device.queue.writeBuffer(buffers[buffer], 0, toHalves(data));
          continue;
        }
        // #endif
        // #if EMIT_MANY
        const own = adapter * (sizeOf(buffer, tokens) / ADAPTERS);
        writePart(buffers[buffer], { ...place, offset: own + place.offset }, data);
        // #else
        //-         writePart(buffers[buffer], place, data);
        // #endif
      }
    }
    stale = true;
  };

  // #if EMIT_TRAINING
  /** gradients of inputs that the first of their regions has written since the last step */
  const begun = new Set<BufferName>();
  const clear = () => {
    checkAlive();
    const encoder = device.createCommandEncoder();
    for (const name of CLEARED) encoder.clearBuffer(buffers[name]);
    device.queue.submit([encoder.finish()]);
    begun.clear();
  };

  // #endif
  const copyOf = async (buffer: GPUBuffer) => {
    checkAlive();
    const { size } = buffer;
    const staging = device.createBuffer({ size, usage: USAGE.MAP_READ | USAGE.COPY_DST });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(READ);
    const bytes = staging.getMappedRange().slice(0);
    staging.destroy();
    return bytes;
  };
  const read = async (name: BufferName) => {
    checkAlive();
    // #if EMIT_SLOTS
    checkNumbers(name);
    // #endif
    // #if EMIT_PACKED
    checkNotPacked(name);
    // #endif
    const bytes = await copyOf(buffers[name]);
    // #if EMIT_HALF
    if (isHalf(name)) return fromHalves(new Uint16Array(bytes), sizeOf(name, tokens));
    // #endif
    return new Float32Array(bytes);
  };
  // #if EMIT_TRAINING
  /** Numbers of parts of buffers. All copies are queued before the first is waited for: no step comes between them. */
  const readParts = (parts: readonly { readonly buffer: GPUBuffer; readonly place: Place }[]) => {
    // a buffer holds several tensors
    const copies = new Map<GPUBuffer, Promise<ArrayBuffer>>();
    return Promise.all(
      parts.map(async ({ buffer, place: { offset, rows, cols, rowStride } }) => {
        const copy = copies.get(buffer) ?? copyOf(buffer);
        copies.set(buffer, copy);
        const all = new Float32Array(await copy);
        const own = new Float32Array(rows * cols);
        for (let row = 0; row < rows; row++) {
          const at = offset + row * rowStride;
          own.set(all.subarray(at, at + cols), row * cols);
        }
        return own;
      }),
    );
  };
  // #endif

  return {
    tokens,
    buffers,

    setWeights(tensors) {
      upload(tensors, WEIGHTS);
    },

    // #if EMIT_PACKED
    setPacked(tensors) {
      checkAlive();
      const given = Object.entries<Uint8Array | undefined>(tensors).flatMap(([name, bytes]) => {
        if (!bytes) return [];
        const buffer = packedBuffer(name);
        const size = sizeOf(buffer, tokens);
        if (bytes.length !== size) throw new RangeError(`${name} has ${size} bytes, not ${bytes.length}`);
        return [[buffer, bytes] as const];
      });
      for (const [buffer, bytes] of given) {
        // buffers are written in words of four bytes
        const whole = bytes.length % 4 === 0 ? bytes : new Uint8Array(buffers[buffer].size);
        if (whole !== bytes) whole.set(bytes);
        device.queue.writeBuffer(buffers[buffer], 0, whole);
      }
    },

    // #endif
    // #if EMIT_ROWS
    ...rowAdapters(device, buffers, tokens, checkAlive),

    // #else
    // #if EMIT_MANY
    setAdapter(tensors, adapter = 0) {
      checkAdapter(adapter);
      upload(tensors, FACTORS, adapter);
    },

    setRows(adapters: readonly number[]) {
      checkAlive();
      const blocks = Math.ceil(tokens / ROW_BLOCK);
      if (adapters.length !== blocks) {
        throw new RangeError(`${tokens} rows are ${blocks} blocks of ${ROW_BLOCK}, not ${adapters.length}`);
      }
      for (const adapter of adapters) checkAdapter(adapter);
      device.queue.writeBuffer(buffers.rowAdapter, 0, Uint32Array.from(adapters));
    },

    // #else
    //-     setAdapter(tensors) {
    //-       upload(tensors, FACTORS);
    //-     },

    // #endif
    // #endif
    write(name, data) {
      checkAlive();
      // #if EMIT_SLOTS
      checkNumbers(name);
      // #endif
      // #if EMIT_PACKED
      checkNotPacked(name);
      // #endif
      checkLength(name, data, tokens);
      // #if EMIT_HALF
      device.queue.writeBuffer(buffers[name], 0, isHalf(name) ? toHalves(data) : data);
      // #else
      //-       device.queue.writeBuffer(buffers[name], 0, data);
      // #endif
    },

    read,

    // #if EMIT_TRAINING
    async readAdapter() {
      const parts = Object.entries<readonly Place[]>(FACTORS).flatMap(([name, places]) =>
        places.map((place) => ({ name, buffer: buffers[place.buffer], place })),
      );
      const numbers = await readParts(parts);
      const tensors = parts.map(({ name }, index) => [name, numbers[index]] as const);
      return Object.fromEntries(tensors) as Record<FactorName, Float32Array<ArrayBuffer>>;
    },

    async readState() {
      checkAlive();
      const header = stateHeader(moments, steps);
      return stateBytes(header, await readParts(moments));
    },

    writeState(state) {
      checkAlive();
      const { steps: made, found } = stateIn(moments, state);
      for (const { buffer, place, numbers } of found) writePart(buffer, place, numbers);
      steps = made;
    },

    // #endif
    encode(pass, region) {
      // #if EMIT_MERGING
      const { forward: launches, merged: folded } = regionOf(region);
      record(pass, merged ? named(folded) : [...refresh(), ...named(launches)]);
      // #else
      //-       record(pass, [...refresh(), ...named(regionOf(region).forward)]);
      // #endif
    },

    forward(region) {
      // #if EMIT_MERGING
      const { forward, merged: folded } = regionOf(region);
      if (merged) submit(named(folded));
      else submit(refresh(), named(forward));
      // #else
      //-       submit(refresh(), named(regionOf(region).forward));
      // #endif
    },

    // #if EMIT_MERGING
    merge() {
      if (merged) throw new Error('the adapter is in the weights already');
      submit(refresh(), named(MERGE));
      merged = true;
    },

    unmerge() {
      if (!merged) throw new Error('the adapter is not in the weights');
      submit(named(UNMERGE));
      merged = false;
    },

    // #endif
    // #if EMIT_TRAINING
    backward(region) {
      const { dx, addsToDx, backward } = regionOf(region);
      if (dx !== null && addsToDx && !begun.has(dx)) {
        throw new Error(`a region before ${region} reads the same x: its backward pass goes first`);
      }
      submit(refresh(), named(backward));
      if (dx !== null) begun.add(dx);
    },

    gradients() {
      submit(named(EPILOGUE));
    },

    // #if EMIT_SOURCE
    // of an optimizer with a beta and its correction
    step({ learningRate, beta1 = 0.9 }) {
      checkAlive();
      if (!isFraction(beta1)) {
        throw new RangeError('not the numbers of a step');
      }
      steps++;
      const values = Float32Array.of(learningRate, beta1, 1 - Math.fround(beta1) ** steps);
      // #else
      // #insert step
      // #endif
      device.queue.writeBuffer(numbers, 0, values);
      submit(named(EPILOGUE), updates);
      clear();
      // what depends on the factors is computed again
      stale = true;
    },

    clearGradients() {
      clear();
    },

    // #endif
    destroy() {
      destroyed = true;
      for (const buffer of owned) buffer.destroy();
    },
  };
}
