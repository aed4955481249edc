// #if EMIT_SOURCE
import {
  ADAPTERS,
  type Adapters,
  type AdaptersOptions,
  BUFFER_NAMES,
  BUFFERS,
  type BufferLayout,
  type BufferName,
  CLEARED,
  EPILOGUE,
  type Extent,
  FACTORS,
  FEATURES,
  type GridExtent,
  KERNEL_NAMES,
  KERNELS,
  type Kernel,
  type KernelName,
  LIMITS,
  MERGE,
  PACKED,
  type Places,
  PROLOGUE,
  REGIONS,
  type Region,
  ROW_BLOCK,
  STEPS,
  type StepBuffer,
  type TensorData,
  TOKENS,
  UNMERGE,
  WEIGHTS,
} from './plan.js';
// #endif
/** What requestDevice takes, with both lists filled in. */
export interface Requirements extends GPUDeviceDescriptor {
  requiredFeatures: GPUFeatureName[];
  requiredLimits: Record<string, number>;
}

/**
 * What a device needs to run on this number of tokens: pass it to requestDevice. Throws RangeError for an
 * invalid number of tokens.
 */
export function requirements(tokens: number = TOKENS): Requirements {
  if (!Number.isSafeInteger(tokens) || tokens < 1) {
    throw new RangeError(`tokens must be a whole number from 1 on, not ${tokens}`);
  }
  const bytes = Math.max(...BUFFER_NAMES.map((name) => bytesOf(name, tokens)));
  const grids = Object.values<Kernel>(KERNELS).flatMap((kernel) => gridOf(kernel, tokens));
  // #if EMIT_TRAINING
  grids.push(...STEPS.flatMap(({ kernel }) => gridOf(kernel, tokens)));
  // #endif
  // #if EMIT_SLICES
  const bound = Object.values<Kernel>(KERNELS).flatMap(({ bindings }) =>
    bindings.map(({ buffer, offset = 0, size = bytesOf(buffer, tokens) - offset }) => size),
  );
  // #endif
  return {
    requiredFeatures: [...FEATURES],
    requiredLimits: {
      ...LIMITS,
      // #if EMIT_SLICES
      maxStorageBufferBindingSize: Math.max(...bound),
      // #else
      //-       maxStorageBufferBindingSize: bytes,
      // #endif
      maxBufferSize: bytes,
      maxComputeWorkgroupsPerDimension: Math.max(...grids),
    },
  };
}

/** What an adapter, or a device, lacks to run on this number of tokens, as text. Empty: it lacks nothing. */
export function missing(from: Pick<GPUAdapter, 'features' | 'limits'>, tokens: number = TOKENS): string[] {
  const { requiredFeatures, requiredLimits } = requirements(tokens);
  const features = requiredFeatures.filter((name) => !from.features.has(name));
  const limits = Object.entries(requiredLimits).flatMap(([name, needed]) => {
    const has: unknown = from.limits[name as keyof GPUSupportedLimits];
    return typeof has === 'number' && has < needed ? [`${name} of ${needed} (it has ${has})`] : [];
  });
  return [...features.map((name) => `the feature ${name}`), ...limits];
}

/** Number of elements of a buffer for this number of tokens. */
export function sizeOf(name: BufferName, tokens: number): number {
  const { shape }: BufferLayout = BUFFERS[name];
  return shape.reduce<number>((size, extent) => size * lengthOf(extent, tokens), 1);
}

/** Length of an axis for this number of tokens. */
function lengthOf(extent: Extent, tokens: number): number {
  // #if EMIT_MANY
  if (extent === 'rowBlocks') return Math.ceil(tokens / ROW_BLOCK);
  // #endif
  return extent === 'M' ? tokens : extent;
}

/** Number of workgroups of a launch for this number of tokens. */
function gridOf({ grid }: Kernel<string>, tokens: number): readonly [x: number, y: number, z: number] {
  const [x, y, z] = grid;
  const count = (extent: GridExtent) =>
    typeof extent === 'number' ? extent : Math.ceil(tokens / extent.per);
  return [count(x), count(y), count(z)];
}

// #if EMIT_PACKED
/** Whether a buffer holds bytes of a packed weight. */
function isPacked(name: BufferName): boolean {
  const { type }: BufferLayout = BUFFERS[name];
  return type === 'u8';
}

// #endif
// #if EMIT_HALF
/** Whether a buffer holds float16. */
function isHalf(name: BufferName): boolean {
  const { type }: BufferLayout = BUFFERS[name];
  return type === 'f16';
}

/** Bytes of a buffer for this number of tokens. Buffers are copied in words of four bytes. */
function bytesOf(name: BufferName, tokens: number): number {
  const size = sizeOf(name, tokens);
  // #if EMIT_PACKED
  if (isPacked(name)) return 4 * Math.ceil(size / 4);
  // #endif
  return isHalf(name) ? 4 * Math.ceil(size / 2) : 4 * size;
}

/** Numbers rounded to float16 (to nearest, ties to even), with a zero after them where their count is odd. */
export function toHalves(data: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const halves = new Uint16Array(data.length + (data.length % 2));
  for (let i = 0; i < data.length; i++) {
    const word = bits[i] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    let half: number;
    if (magnitude > 0x7f800000) half = 0x7e00;
    else if (magnitude >= 0x47800000) half = 0x7c00;
    // below the smallest normal number: whole multiples of 2^-24
    else if (magnitude < 0x38800000) half = roundEven(Math.abs(data[i] ?? 0) * 2 ** 24);
    else half = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    halves[i] = sign | half;
  }
  return halves;
}

/** The nearest whole number, the even one of two. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** The first `count` numbers of float16, as float32. */
export function fromHalves(halves: Uint16Array, count: number): Float32Array<ArrayBuffer> {
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const half = halves[i] ?? 0;
    const [exponent, fraction] = [(half >>> 10) & 31, half & 1023];
    let value: number;
    if (exponent === 31) value = fraction ? Number.NaN : Number.POSITIVE_INFINITY;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1024 + fraction) * 2 ** (exponent - 25);
    data[i] = half & 0x8000 ? -value : value;
  }
  return data;
}

// #else
//- /** Bytes of a buffer for this number of tokens. */
//- function bytesOf(name: BufferName, tokens: number): number {
// #if EMIT_PACKED
//-   if (isPacked(name)) return 4 * Math.ceil(sizeOf(name, tokens) / 4);
// #endif
//-   return 4 * sizeOf(name, tokens);
//- }

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
  // #if EMIT_CORRECTIONS
  let steps = 0;
  // #endif
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
      for (const { buffer, offset, rows, cols, rowStride } of places[name] ?? []) {
        // #if EMIT_HALF
        if (isHalf(buffer)) {
          // a weight is the whole of its buffer
          device.queue.writeBuffer(buffers[buffer], 0, toHalves(data));
          continue;
        }
        // #endif
        // #if EMIT_MANY
        const own = adapter * (sizeOf(buffer, tokens) / ADAPTERS);
        // #endif
        const stretches = rowStride === cols ? 1 : rows;
        const length = data.length / stretches;
        for (let row = 0; row < stretches; row++) {
          // #if EMIT_MANY
          const at = 4 * (own + offset + row * rowStride);
          // #else
          //-           const at = 4 * (offset + row * rowStride);
          // #endif
          device.queue.writeBuffer(buffers[buffer], at, data, row * length, length);
        }
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
        const whole = new Uint8Array(bytes.length % 4 === 0 ? 0 : buffers[buffer].size);
        if (whole.length > 0) whole.set(bytes);
        device.queue.writeBuffer(buffers[buffer], 0, whole.length > 0 ? whole : bytes);
      }
    },

    // #endif
    // #if EMIT_MANY
    setAdapter(tensors, adapter = 0) {
      checkAdapter(adapter);
      upload(tensors, FACTORS, adapter);
    },

    setRows(adapters) {
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
    write(name, data) {
      checkAlive();
      // #if EMIT_MANY
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

    async read(name) {
      checkAlive();
      // #if EMIT_MANY
      checkNumbers(name);
      // #endif
      // #if EMIT_PACKED
      checkNotPacked(name);
      // #endif
      const { size } = buffers[name];
      const staging = device.createBuffer({ size, usage: USAGE.MAP_READ | USAGE.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffers[name], 0, staging, 0, size);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(READ);
      const bytes = staging.getMappedRange().slice(0);
      staging.destroy();
      // #if EMIT_HALF
      if (isHalf(name)) return fromHalves(new Uint16Array(bytes), sizeOf(name, tokens));
      // #endif
      return new Float32Array(bytes);
    },

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

/** A region by its index, which may be wrong in callers without types. */
function regionOf(index: number): Region {
  const region: Region | undefined = REGIONS[index];
  if (!region) throw new RangeError(`there is no region ${index}, only ${REGIONS.length}`);
  return region;
}

/** Throws RangeError for a tensor that is not there or has another size. */
function checkTensors(tensors: TensorData<string>, places: Places): void {
  for (const [name, data] of Object.entries(tensors)) {
    const list = places[name];
    if (!list) throw new RangeError(`there is no tensor ${name} here`);
    for (const { rows, cols } of list) {
      if (data && data.length !== rows * cols) {
        throw new RangeError(`${name} is ${rows} x ${cols}, not ${data.length} numbers`);
      }
    }
  }
}

/** Throws RangeError for numbers that do not fill a buffer. */
function checkLength(name: BufferName, data: Float32Array, tokens: number): void {
  const size = sizeOf(name, tokens);
  if (data.length === size) return;
  const { shape }: BufferLayout = BUFFERS[name];
  const expected = `${shape.join(' x ')} with M = ${tokens}: ${size} numbers`;
  throw new RangeError(`${name} is ${expected}, not ${data.length}`);
}

// #if EMIT_PACKED
/** The buffer of a packed tensor. Throws RangeError for another tensor. */
function packedBuffer(tensor: string): BufferName {
  const buffers: Readonly<Record<string, BufferName>> = PACKED;
  const buffer = buffers[tensor];
  if (!buffer) throw new RangeError(`there is no packed tensor ${tensor} here`);
  return buffer;
}

/** Throws RangeError for a buffer of bytes. */
function checkNotPacked(name: BufferName): void {
  if (isPacked(name)) throw new RangeError(`${name} is packed: setPacked fills it`);
}

// #endif
// #if EMIT_MANY
/** Throws RangeError for the table of rows, which holds no float32. */
function checkNumbers(name: BufferName): void {
  if (name === 'rowAdapter') throw new RangeError('rowAdapter is filled by setRows');
}

/** Throws RangeError for an adapter that is not there. */
function checkAdapter(adapter: number): void {
  if (!Number.isInteger(adapter) || adapter < 0 || adapter >= ADAPTERS) {
    throw new RangeError(`there is no adapter ${adapter}, only ${ADAPTERS}`);
  }
}

// #endif
// #if EMIT_TRAINING
// #if EMIT_FRACTIONS
/** Whether a number is at least 0 and below 1. */
function isFraction(value: number): boolean {
  return value >= 0 && value < 1;
}

// #endif
// #endif
/**
 * Flags of the WebGPU standard: not every library of types declares their namespaces, and Node has no such
 * globals.
 */
const USAGE = { MAP_READ: 0x1, COPY_SRC: 0x4, COPY_DST: 0x8, UNIFORM: 0x40, STORAGE: 0x80 } as const;

/** GPUShaderStage.COMPUTE */
const COMPUTE = 0x4;

/** GPUMapMode.READ */
const READ = 0x1;

/** A kernel with its buffers, ready to be launched. */
interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: readonly [x: number, y: number, z: number];
}

/** Binds buffers to a compiled kernel: those of its bindings, then its uniforms. */
type Bind = (bound: readonly GPUBufferBinding[]) => Dispatch;

/** Returns the bind-group layout of a kernel. Kernels with the same bindings share one. */
function layoutsOn(device: GPUDevice): (kernel: Kernel<string>) => GPUBindGroupLayout {
  const known = new Map<string, GPUBindGroupLayout>();
  return ({ bindings, uniformBytes }) => {
    const buffers: GPUBufferBindingLayout[] = bindings.map(({ type }) => ({ type }));
    if (uniformBytes > 0) buffers.push({ type: 'uniform', minBindingSize: uniformBytes });
    const key = JSON.stringify(buffers);
    const layout =
      known.get(key) ??
      device.createBindGroupLayout({
        entries: buffers.map((buffer, binding) => ({ binding, visibility: COMPUTE, buffer })),
      });
    known.set(key, layout);
    return layout;
  };
}

/** Compiles a kernel. Throws when it does not compile. */
type Compile = (label: string, kernel: Kernel<string>) => Promise<Bind>;

/** Returns a function that compiles the kernels of a device, each source once. */
function compilerOn(device: GPUDevice, tokens: number): Compile {
  const layoutOf = layoutsOn(device);
  const known = new Map<string, Promise<GPUComputePipeline>>();
  return async (label, kernel) => {
    const layout = layoutOf(kernel);
    const made =
      known.get(kernel.code) ??
      device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: device.createShaderModule({ label, code: kernel.code }), entryPoint: 'main' },
      });
    known.set(kernel.code, made);
    const pipeline = await made;
    const grid = gridOf(kernel, tokens);
    return (bound) => {
      const entries = bound.map((resource, binding) => ({ binding, resource }));
      return { pipeline, group: device.createBindGroup({ label, layout, entries }), grid };
    };
  };
}
