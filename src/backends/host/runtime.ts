import { HALVES, WORDS } from './runtime-half.js';
import { SET_ROWS } from './runtime-many.js';
import { KEEP, MERGED, MERGING } from './runtime-merging.js';

/** What a plan has, of which the text depends. */
export interface Has {
  readonly training: boolean;
  /** buffers of float16 */
  readonly half: boolean;
  /** several adapters in a batch */
  readonly many: boolean;
  /** the adapter into the weights and out */
  readonly merging: boolean;
  /** kernels that sum over subgroups */
  readonly subgroups: boolean;
}

/** The part of an emitted module that is the same for every plan: functions over its tables. */
const opening = ({ half, many, merging, subgroups }: Has) => `
// flags of the WebGPU standard: not every library of types declares their namespaces, and Node has no such globals
const USAGE = { MAP_READ: 0x1, COPY_SRC: 0x4, COPY_DST: 0x8, UNIFORM: 0x40, STORAGE: 0x80 } as const;
const COMPUTE = 0x4;
const READ = 0x1;

/** What a device must be asked for to run on so many tokens: pass it to requestDevice. */
export function requirements(tokens: number = TOKENS): GPUDeviceDescriptor & { requiredLimits: Record<string, number> } {
  const largest = Math.max(...BUFFER_NAMES.map((name) => bytesOf(name, tokens)));
  return {
    requiredFeatures: [${[...(half ? ["'shader-f16'"] : []), ...(subgroups ? ["'subgroups'"] : [])].join(', ')}],
    requiredLimits: { ...LIMITS, maxStorageBufferBindingSize: largest, maxBufferSize: largest },
  };
}

/** Elements of a buffer for so many tokens. */
export function sizeOf(name: BufferName, tokens: number): number {
  const shape: readonly (number | ${many ? "'M' | 'rowBlocks'" : "'M'"})[] = BUFFERS[name];
  return shape.reduce<number>((size, extent) => size * (extent === 'M' ? tokens : ${many ? "extent === 'rowBlocks' ? Math.ceil(tokens / ROW_BLOCK) : " : ''}extent), 1);
}
${half ? HALVES : WORDS}
/**
 * Makes all buffers and pipelines. \`tokens\` are the rows of every x: the tiles were chosen for TOKENS, the results are
 * right for any number. Weights and factors are zero until they are set. Throws when a kernel does not compile or the
 * device is too small for it.
 */
export async function createAdapters(device: GPUDevice, options: { readonly tokens?: number } = {}) {
  const { tokens = TOKENS } = options;
  if (!Number.isSafeInteger(tokens) || tokens < 1) throw new RangeError(\`tokens must be a whole number from 1 on, not \${tokens}\`);
  for (const [name, needed] of Object.entries(requirements(tokens).requiredLimits)) {
    const has = device.limits[name as keyof GPUSupportedLimits];
    if (typeof has === 'number' && has < needed) throw new RangeError(\`the device allows \${name} \${has}, the kernels need \${needed}\`);
  }
${half ? "  if (!device.features.has('shader-f16')) throw new RangeError('the device has no 16-bit floats: ask for the feature shader-f16');\n" : ''}${subgroups ? "  if (!device.features.has('subgroups')) throw new RangeError('the device has no subgroups: ask for the feature subgroups');\n" : ''}  const storage = USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST;
  const allocate = (label: string, size: number, usage: number = storage) => device.createBuffer({ label, size, usage });
  const buffers = Object.fromEntries(
    BUFFER_NAMES.map((name) => [name, allocate(name, bytesOf(name, tokens))]),
  ) as Readonly<Record<BufferName, GPUBuffer>>;
  const uniforms = allocate('uniforms', 16, USAGE.UNIFORM | USAGE.COPY_DST);
  device.queue.writeBuffer(uniforms, 0, new Uint32Array([tokens, ${many ? 'Math.ceil(tokens / ROW_BLOCK), ROW_BLOCK' : '0, 0'}, 0]));

  // one layout for all kernels that bind alike
  const layouts = new Map<string, GPUBindGroupLayout>();
  const layoutOf = (types: readonly GPUBufferBindingType[]): GPUBindGroupLayout => {
    const key = types.join();
    const known = layouts.get(key);
    if (known) return known;
    const layout = device.createBindGroupLayout({
      entries: types.map((type, binding) => ({ binding, visibility: COMPUTE, buffer: { type } })),
    });
    layouts.set(key, layout);
    return layout;
  };
  interface Dispatch {
    readonly pipeline: GPUComputePipeline;
    readonly group: GPUBindGroup;
    readonly grid: readonly [number, number, number];
  }
  const prepare = async (name: string, kernel: Kernel, bound: readonly GPUBuffer[], uniform: GPUBuffer | null): Promise<Dispatch> => {
    const grid = kernel.grid.map((extent) => (typeof extent === 'number' ? extent : Math.ceil(tokens / extent.per)));
    const [x = 1, y = 1, z = 1] = grid;
    if (Math.max(x, y, z) > device.limits.maxComputeWorkgroupsPerDimension) {
      throw new RangeError(\`\${name} needs \${x} x \${y} x \${z} workgroups, more than the device allows\`);
    }
    const all = uniform ? [...bound, uniform] : bound;
    const types: GPUBufferBindingType[] = kernel.bindings.map(({ type }) => type);
    const layout = layoutOf(uniform ? [...types, 'uniform'] : types);
    const pipeline = await device.createComputePipelineAsync({
      label: name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: device.createShaderModule({ label: name, code: kernel.code }), entryPoint: 'main' },
    });
    const entries = all.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { pipeline, group: device.createBindGroup({ layout, entries }), grid: [x, y, z] };
  };
  const dispatches = new Map(
    await Promise.all(
      Object.entries<Kernel>(KERNELS).map(async ([name, kernel]) => {
        const bound = kernel.bindings.map(({ buffer }) => buffers[buffer]);
        return [name, await prepare(name, kernel, bound, kernel.uniform ? uniforms : null)] as const;
      }),
    ),
  );
  const encode = (encoder: GPUCommandEncoder, work: readonly (Dispatch | undefined)[]) => {
    if (work.length === 0) return;
    const pass = encoder.beginComputePass();
    for (const dispatch of work) {
      if (!dispatch) throw new Error('a launch has no kernel');
      pass.setPipeline(dispatch.pipeline);
      pass.setBindGroup(0, dispatch.group);
      pass.dispatchWorkgroups(...dispatch.grid);
    }
    pass.end();
  };
  const named = (names: readonly string[]) => names.map((name) => dispatches.get(name));
  const submit = (...lists: readonly (readonly (Dispatch | undefined)[])[]) => {
    const encoder = device.createCommandEncoder();
    for (const list of lists) encode(encoder, list);
    device.queue.submit([encoder.finish()]);
  };
  const regionOf = (index: number): Region => {
    const region: Region | undefined = REGIONS[index];
    if (!region) throw new RangeError(\`there is no region \${index}, only \${REGIONS.length}\`);
    return region;
  };
  const fill = (tensors: Readonly<Record<string, Float32Array<ArrayBuffer> | undefined>>, places: Readonly<Record<string, readonly Place[]>>${many ? ', adapter = 0' : ''}) => {
${merging ? KEEP : ''}    // all are checked before the first is written
    for (const [name, data] of Object.entries(tensors)) {
      const list = places[name];
      if (!list) throw new RangeError(\`there is no tensor \${name} here\`);
      for (const { rows, cols } of list) {
        if (data && data.length !== rows * cols) throw new RangeError(\`\${name} is \${rows} x \${cols}, not \${data.length} numbers\`);
      }
    }
    for (const [name, data] of Object.entries(tensors)) {
      for (const { buffer, offset, rows, cols, rowStride } of data ? (places[name] ?? []) : []) {
        if (!data) continue;
${half ? FILL_HALF : ''}        const stretches = rowStride === cols ? 1 : rows;
        const length = data.length / stretches;
${many ? '        const own = adapter * (sizeOf(buffer, tokens) / ADAPTERS);\n' : ''}        for (let row = 0; row < stretches; row++) {
          device.queue.writeBuffer(buffers[buffer], 4 * (${many ? 'own + ' : ''}offset + row * rowStride), data, row * length, length);
        }
      }
    }
    stale = true;
  };
  /** whether what is made of the factors alone (L', merged weights) has to be made again */
  let stale = true;
${merging ? MERGED : ''}  const refresh = () => {
    const due = stale ? named(PROLOGUE) : [];
    stale = false;
    return due;
  };
`;

const TRAINING = `
  const zeros = (encoder: GPUCommandEncoder) => {
    for (const name of CLEARED) encoder.clearBuffer(buffers[name]);
  };
  interface Trained {
    readonly update: Dispatch;
    readonly uniform: GPUBuffer;
    readonly moments: readonly GPUBuffer[];
  }
  const trained: Trained[] = [];
  for (const { factor, gradient, kernel } of TRAINED) {
    const size = 4 * sizeOf(factor, tokens);
    const moments = [allocate(\`\${factor}_moment1\`, size), allocate(\`\${factor}_moment2\`, size)];
    const uniform = allocate(\`\${factor}_step\`, 32, USAGE.UNIFORM | USAGE.COPY_DST);
    const own: Readonly<Record<string, GPUBuffer | undefined>> = {
      parameter: buffers[factor], gradient: buffers[gradient], moment1: moments[0], moment2: moments[1],
    };
    const bound = kernel.bindings.map(({ buffer }) => {
      const found = own[buffer];
      if (!found) throw new Error(\`no buffer for \${buffer}\`);
      return found;
    });
    trained.push({ update: await prepare(\`step_\${factor}\`, kernel as unknown as Kernel, bound, uniform), uniform, moments });
  }
  let steps = 0;
  /** gradients of inputs that the first of their regions has written in this pass */
  const begun = new Set<BufferName>();
`;

const SET_ADAPTER = `    /** Uploads factors of the adapter, by the names of the model's tensors; others stay. Throws RangeError for another size. */
    setAdapter(tensors: Partial<Readonly<Record<FactorName, Float32Array<ArrayBuffer>>>>): void {
      fill(tensors, FACTORS);
    },

`;

const FILL_HALF = `        if (isHalf(buffer)) {
          // a weight is all of its buffer
          device.queue.writeBuffer(buffers[buffer], 0, toHalves(data));
          continue;
        }
`;

const common = ({ half, many, merging }: Has) => `
  return {
    tokens,
    /** all buffers, to be bound or copied by the caller's own passes */
    buffers,

    /** Uploads base weights, laid out as the model stores them. Throws RangeError for another size. */
    setWeights(tensors: Partial<Readonly<Record<WeightName, Float32Array<ArrayBuffer>>>>): void {
      fill(tensors, WEIGHTS);
    },

${many ? SET_ROWS : SET_ADAPTER}    /** Fills a buffer. Throws RangeError for another size. */
    write(name: BufferName, data: Float32Array<ArrayBuffer>): void {
${many ? "      if (name === 'rowAdapter') throw new RangeError('rowAdapter is filled by setRows');\n" : ''}      const size = sizeOf(name, tokens);
      if (data.length !== size) throw new RangeError(\`\${name} is \${BUFFERS[name].join(' x ')} with M = \${tokens}: \${size} numbers, not \${data.length}\`);
      device.queue.writeBuffer(buffers[name], 0, ${half ? 'isHalf(name) ? toHalves(data) : data' : 'data'});
    },

    /** A copy of a buffer, once all work that was submitted is done. */
    async read(name: BufferName): Promise<Float32Array<ArrayBuffer>> {
      const { size } = buffers[name];
      const staging = device.createBuffer({ size, usage: USAGE.MAP_READ | USAGE.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffers[name], 0, staging, 0, size);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(READ);
      const bytes = staging.getMappedRange().slice(0);
      staging.destroy();
      return ${half ? 'isHalf(name) ? fromHalves(new Uint16Array(bytes), sizeOf(name, tokens)) : ' : ''}new Float32Array(bytes);
    },

    /** y of every layer of a region, from the region's x. The region's \`x\` and \`y\` name the buffers. */
    forward(region: RegionIndex): void {
      ${merging ? 'const { forward, merged: folded } = regionOf(region);\n      if (merged) submit(named(folded));\n      else submit(refresh(), named(forward));' : 'submit(refresh(), named(regionOf(region).forward));'}
    },
${merging ? MERGING : ''}`;

const BACKWARD = `
    /**
     * From the dy of every layer of a region: dx, and what the region adds to the gradients of the factors. Needs the
     * forward pass of the region before it. Regions that read the same x add to one dx: the lowest of them goes first
     * (throws otherwise).
     */
    backward(region: RegionIndex): void {
      const { dx, addsToDx, backward } = regionOf(region);
      if (dx !== null && addsToDx && !begun.has(dx)) throw new Error(\`a region before \${region} reads the same x: its backward pass goes first\`);
      if (dx !== null && !addsToDx) begun.add(dx);
      submit(refresh(), named(backward));
    },

    /** Finishes the gradients of the factors from what backward has summed; may be called again. */
    gradients(): void {
      submit(named(EPILOGUE));
    },

    /**
     * One AdamW step on all factors (decoupled decay, arXiv 1711.05101), with their gradients finished first and
     * cleared afterwards. Throws RangeError for numbers that are no hyperparameters.
     */
    step({ learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamW): void {
      const inRange = learningRate >= 0 && epsilon > 0 && weightDecay >= 0 && beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1;
      if (!inRange || !Number.isFinite(learningRate + epsilon + weightDecay)) throw new RangeError('not the numbers of an AdamW step');
      steps++;
      const numbers: Readonly<Record<string, number>> = {
        learning_rate: learningRate, beta1, beta2, epsilon, weight_decay: weightDecay,
        correction1: 1 - beta1 ** steps, correction2: 1 - beta2 ** steps,
      };
      const values = new Float32Array(8);
      values.set(STEP_UNIFORMS.map((name) => numbers[name] ?? Number.NaN));
      for (const { uniform } of trained) device.queue.writeBuffer(uniform, 0, values);
      const encoder = device.createCommandEncoder();
      encode(encoder, named(EPILOGUE));
      encode(encoder, trained.map(({ update }) => update));
      zeros(encoder);
      device.queue.submit([encoder.finish()]);
      begun.clear();
      stale = true;
    },

    /** Drops the gradients that were summed since the last step. */
    clearGradients(): void {
      const encoder = device.createCommandEncoder();
      zeros(encoder);
      device.queue.submit([encoder.finish()]);
      begun.clear();
    },
`;

const closing = (training: boolean) => `
    /** Frees all buffers. */
    destroy(): void {
      for (const buffer of Object.values(buffers)) buffer.destroy();
      uniforms.destroy();
${training ? '      for (const { uniform, moments } of trained) for (const buffer of [uniform, ...moments]) buffer.destroy();\n' : ''}    },
  };
}

export type Adapters = Awaited<ReturnType<typeof createAdapters>>;
`;

/** The functions of a module; those of the backward pass, of float16 and of several adapters only where the plan has them. */
export const runtimeText = (has: Has): string =>
  [
    opening(has),
    has.training ? TRAINING : '',
    common(has),
    has.training ? BACKWARD : '',
    closing(has.training),
  ].join('');
