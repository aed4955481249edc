// #if EMIT_SOURCE

import { gridOf } from './needs.js';
import type { Kernel } from './plan.js';

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

// #if EMIT_SOURCE
export { compilerOn, type Dispatch, READ, USAGE };
// #endif
