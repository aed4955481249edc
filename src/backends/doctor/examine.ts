import type { listedMatrix } from '../host/webgpu/features.js';

/** A kernel to run once, with what it is to compute. */
export interface Job {
  readonly name: string;
  readonly code: string;
  /** types of the bindings in order, and their contents, base64 */
  readonly layout: readonly string[];
  readonly buffers: readonly string[];
  readonly grid: readonly number[];
  /** the binding of the result; float64, base64; NaN: an element that stays as it is */
  readonly out: number;
  readonly expected: string;
  readonly features: readonly string[];
  /** matrices that the adapter has to list for subgroups, in subgroups of a size that the kernel may ask for */
  readonly matrix?: ReturnType<typeof listedMatrix>;
}

/** `error`: the largest difference over the largest number; null, or more than is allowed: the kernel is wrong. */
export interface Answer {
  readonly name: string;
  readonly error: number | null;
  /** what the compiler or the device said */
  readonly said: string;
}

export interface FoundAdapter {
  readonly name: string;
  /** it computes on the processor */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

export interface Examined {
  readonly adapter: FoundAdapter;
  readonly answers: readonly Answer[];
}

/** A device that runs jobs, one after another. */
export interface OpenedDevice {
  readonly adapter: FoundAdapter;
  /** Null: the adapter lacks what the kernel needs. */
  answer(job: Job): Promise<Answer | null>;
}

/** What of WebGPU is used: browsers, Deno and the package `webgpu` have it. */
interface Buffer {
  readonly size: number;
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  destroy(): void;
}
interface Pass {
  setPipeline(pipeline: object): void;
  setBindGroup(at: number, group: object): void;
  dispatchWorkgroups(...grid: readonly number[]): void;
  end(): void;
}
interface Encoder {
  beginComputePass(): Pass;
  copyBufferToBuffer(from: Buffer, at: number, to: Buffer, place: number, size: number): void;
  finish(): object;
}
interface Device {
  readonly lost: Promise<{ readonly message: string }>;
  readonly queue: {
    writeBuffer(buffer: Buffer, at: number, bytes: Uint8Array): void;
    submit(commands: readonly object[]): void;
  };
  pushErrorScope(filter: string): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
  createShaderModule(of: object): {
    getCompilationInfo(): Promise<{ readonly messages: readonly { type: string; message: string }[] }>;
  };
  createBindGroupLayout(of: object): object;
  createPipelineLayout(of: object): object;
  createComputePipelineAsync(of: object): Promise<object>;
  createBuffer(of: { readonly size: number; readonly usage: number }): Buffer;
  createBindGroup(of: object): object;
  createCommandEncoder(): Encoder;
}
export interface Gpu {
  requestAdapter(of?: object): Promise<{
    readonly info?: Readonly<Record<string, unknown>>;
    readonly features: { has(name: string): boolean };
    readonly limits: Readonly<Record<string, unknown>>;
    requestDevice(of: object): Promise<Device>;
  } | null>;
}

/**
 * Opens the adapter that a WebGPU prefers, to run jobs and compare what they leave with float64. Nothing outside of this function is
 * used: its text is a page's.
 */
export async function openDevice(gpu: Gpu): Promise<OpenedDevice> {
  const found = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!found) throw new Error('WebGPU finds no adapter');
  const FEATURES = [
    'shader-f16',
    'subgroups',
    'chromium-experimental-subgroup-matrix',
    'subgroup-size-control',
  ];
  const features = FEATURES.filter((name) => found.features.has(name));
  const LIMITS = [
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxStorageBuffersPerShaderStage',
    'maxStorageBufferBindingSize',
  ];
  const limits = Object.fromEntries(LIMITS.map((name) => [name, Number(found.limits[name])]));
  const info = found.info ?? {};
  const [least, most] = [info.subgroupMinSize, info.subgroupMaxSize].map(Number) as [number, number];
  const listed = [...((info.subgroupMatrixConfigs ?? []) as Iterable<Readonly<Record<string, unknown>>>)];
  const multiplies = ({ subgroupSize: size, asksForSize, ...config }: NonNullable<Job['matrix']>): boolean =>
    (asksForSize ? least <= size && size <= most : least === size && most === size) &&
    listed.some((one) => Object.entries(config).every(([key, value]) => one[key] === value));
  const words = ['vendor', 'architecture', 'device', 'description'].map((key) => String(info[key] ?? ''));
  const name = [...new Set(words.filter(Boolean))].join(' ') || 'an adapter without a name';
  const adapter = { name, software: info.isFallbackAdapter === true, features, limits };
  const device = await found.requestDevice({ requiredFeatures: features, requiredLimits: limits });
  let lost = '';
  void device.lost.then(({ message }) => {
    lost = message || 'the device was lost';
  });
  const [COPY_SRC, COPY_DST, UNIFORM, STORAGE, MAP_READ] = [4, 8, 64, 128, 1];
  const bytesOf = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  async function run({ code, layout, buffers, grid, out }: Job): Promise<Float32Array> {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const wrong = messages.find(({ type }) => type === 'error');
    if (wrong) {
      await device.popErrorScope();
      throw new Error(wrong.message);
    }
    const entries = layout.map((type, binding) => ({ binding, visibility: 4, buffer: { type } }));
    const bindings = device.createBindGroupLayout({ entries });
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [bindings] }),
      compute: { module, entryPoint: 'main' },
    });
    const bound = buffers.map((text, at) => {
      const bytes = bytesOf(text);
      const usage = layout[at] === 'uniform' ? UNIFORM : STORAGE;
      const buffer = device.createBuffer({ size: bytes.length, usage: usage! | COPY_SRC! | COPY_DST! });
      device.queue.writeBuffer(buffer, 0, bytes);
      return buffer;
    });
    const group = device.createBindGroup({
      layout: bindings,
      entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...grid);
    pass.end();
    const result = bound[out]!;
    const copy = device.createBuffer({ size: result.size, usage: MAP_READ! | COPY_DST! });
    encoder.copyBufferToBuffer(result, 0, copy, 0, result.size);
    device.queue.submit([encoder.finish()]);
    const problem = await device.popErrorScope();
    if (problem) throw new Error(problem.message);
    await copy.mapAsync(1);
    const numbers = new Float32Array(copy.getMappedRange().slice(0));
    for (const buffer of [...bound, copy]) buffer.destroy();
    return numbers;
  }

  function errorOf(numbers: Float32Array, text: string): number {
    const expected = new Float64Array(bytesOf(text).buffer);
    let [worst, largest] = [0, 1e-30];
    for (const [at, should] of expected.entries()) {
      const is = numbers[at]!;
      if (Number.isNaN(is) !== Number.isNaN(should)) return Number.POSITIVE_INFINITY;
      if (Number.isNaN(should)) continue;
      worst = Math.max(worst, Math.abs(is - should));
      largest = Math.max(largest, Math.abs(should));
    }
    return worst / largest;
  }

  return {
    adapter,
    async answer(job) {
      const { name: of } = job;
      if (job.features.some((feature) => !features.includes(feature))) return null;
      if (job.matrix && !multiplies(job.matrix)) return null;
      try {
        if (lost) throw new Error(lost);
        const error = errorOf(await run(job), job.expected);
        // JSON has no infinity
        if (Number.isFinite(error)) return { name: of, error, said: '' };
        return { name: of, error: null, said: 'elements are NaN, or written that should not be' };
      } catch (error) {
        return { name: of, error: null, said: (error as Error).message.split('\n')[0]! };
      }
    },
  };
}
