import type { Statement } from './source.js';
import { alias, constant, field, fn, shape } from './structures.js';

/** How a module makes pipelines of its kernels, with explicit bind-group layouts. */
export const pipelines: Statement[] = [
  constant(
    {
      name: 'USAGE',
      doc: 'Flags of the WebGPU standard: not every library of types declares their namespaces, and Node has no such globals.',
      exported: false,
    },
    '{ MAP_READ: 0x1, COPY_SRC: 0x4, COPY_DST: 0x8, UNIFORM: 0x40, STORAGE: 0x80 } as const',
  ),
  constant({ name: 'COMPUTE', doc: 'GPUShaderStage.COMPUTE', exported: false }, '0x4'),
  constant({ name: 'READ', doc: 'GPUMapMode.READ', exported: false }, '0x1'),
  shape({ name: 'Dispatch', doc: 'A kernel with its buffers, ready to be launched.', exported: false }, [
    field('pipeline', 'GPUComputePipeline'),
    field('group', 'GPUBindGroup'),
    field('grid', 'readonly [x: number, y: number, z: number]'),
  ]),
  alias(
    {
      name: 'Bind',
      doc: 'Binds buffers to a compiled kernel: those of its bindings, then its uniforms.',
      exported: false,
    },
    '(buffers: readonly GPUBuffer[]) => Dispatch',
  ),
  fn(
    {
      name: 'layoutsOn',
      doc: 'Returns the bind-group layout of a kernel. Kernels with the same bindings share one.',
    },
    { device: 'GPUDevice' },
    '(kernel: Kernel<string>) => GPUBindGroupLayout',
    `
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
};`,
  ),
  alias(
    { name: 'Compile', doc: 'Compiles a kernel. Throws when it does not compile.', exported: false },
    '(label: string, kernel: Kernel<string>) => Promise<Bind>',
  ),
  fn(
    {
      name: 'compilerOn',
      doc: 'Returns a function that compiles the kernels of a device, each source once.',
    },
    { device: 'GPUDevice', tokens: 'number' },
    'Compile',
    `
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
  return (buffers) => {
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { pipeline, group: device.createBindGroup({ label, layout, entries }), grid };
  };
};`,
  ),
];
