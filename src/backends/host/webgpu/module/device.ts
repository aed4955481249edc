import type { ModuleFacts } from './facts.js';
import type { Statement } from './source.js';
import { field, fn, list, shape } from './structures.js';

/** What a module needs from a device, and how it finds out what is missing. */
export const device = ({ features, limits, adapters, training }: ModuleFacts): Statement[] => [
  list(
    {
      name: 'FEATURES',
      doc: 'Features of WebGPU that the kernels use.',
      exported: false,
      type: 'readonly GPUFeatureName[]',
    },
    features,
  ),
  list(
    {
      name: 'LIMITS',
      doc: 'What the largest kernel needs of the limits of WebGPU, whatever the number of tokens.',
      exported: false,
      type: 'Readonly<Record<string, number>>',
    },
    limits,
  ),
  shape(
    {
      name: 'Requirements',
      doc: 'What requestDevice takes, with both lists filled in.',
      extends: ['GPUDeviceDescriptor'],
    },
    [
      { ...field('requiredFeatures', 'GPUFeatureName[]'), isReadonly: false },
      { ...field('requiredLimits', 'Record<string, number>'), isReadonly: false },
    ],
  ),
  fn(
    {
      name: 'requirements',
      exported: true,
      doc: 'What a device needs to run on this number of tokens: pass it to requestDevice. Throws RangeError for an invalid number of tokens.',
    },
    { tokens: 'number = TOKENS' },
    'Requirements',
    `
if (!Number.isSafeInteger(tokens) || tokens < 1) {
  throw new RangeError(\`tokens must be a whole number from 1 on, not \${tokens}\`);
}
const bytes = Math.max(...BUFFER_NAMES.map((name) => bytesOf(name, tokens)));
const grids = Object.values<Kernel>(KERNELS).flatMap((kernel) => gridOf(kernel, tokens));
${training ? 'grids.push(...STEPS.flatMap(({ kernel }) => gridOf(kernel, tokens)));\n' : ''}return {
  requiredFeatures: [...FEATURES],
  requiredLimits: {
    ...LIMITS,
    maxStorageBufferBindingSize: bytes,
    maxBufferSize: bytes,
    maxComputeWorkgroupsPerDimension: Math.max(...grids),
  },
};`,
  ),
  fn(
    {
      name: 'missing',
      exported: true,
      doc: 'What an adapter, or a device, lacks to run on this number of tokens, as text. Empty: it lacks nothing.',
    },
    { from: "Pick<GPUAdapter, 'features' | 'limits'>", tokens: 'number = TOKENS' },
    'string[]',
    `
const { requiredFeatures, requiredLimits } = requirements(tokens);
const features = requiredFeatures.filter((name) => !from.features.has(name));
const limits = Object.entries(requiredLimits).flatMap(([name, needed]) => {
  const has: unknown = from.limits[name as keyof GPUSupportedLimits];
  return typeof has === 'number' && has < needed ? [\`\${name} of \${needed} (it has \${has})\`] : [];
});
return [...features.map((name) => \`the feature \${name}\`), ...limits];`,
  ),
  fn(
    { name: 'sizeOf', exported: true, doc: 'Number of elements of a buffer for this number of tokens.' },
    { name: 'BufferName', tokens: 'number' },
    'number',
    `
const { shape }: BufferLayout = BUFFERS[name];
return shape.reduce<number>((size, extent) => size * lengthOf(extent, tokens), 1);`,
  ),
  fn(
    { name: 'lengthOf', doc: 'Length of an axis for this number of tokens.' },
    { extent: 'Extent', tokens: 'number' },
    'number',
    adapters > 1
      ? "if (extent === 'rowBlocks') return Math.ceil(tokens / ROW_BLOCK);\nreturn extent === 'M' ? tokens : extent;"
      : "return extent === 'M' ? tokens : extent;",
  ),
  fn(
    { name: 'gridOf', doc: 'Number of workgroups of a launch for this number of tokens.' },
    { '{ grid }': 'Kernel<string>', tokens: 'number' },
    'readonly [x: number, y: number, z: number]',
    `
const [x, y, z] = grid;
const count = (extent: GridExtent) =>
  typeof extent === 'number' ? extent : Math.ceil(tokens / extent.per);
return [count(x), count(y), count(z)];`,
  ),
];
