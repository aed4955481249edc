import type { ModuleFacts } from './facts.js';
import { quoted } from './literal.js';
import { methods } from './methods.js';
import type { Statement } from './source.js';
import { fn } from './structures.js';

/** createAdapters of a module, and the checks of the arguments of its methods. */
export const create = (facts: ModuleFacts): Statement[] => [
  fn(
    {
      name: 'createAdapters',
      exported: true,
      async: true,
      doc: `Makes all buffers and pipelines. Weights and factors are zero until they are set. Throws when the device lacks something (see missing), has no room for the buffers, or when a kernel does not compile.\n\n@example\n${example(facts)}`,
    },
    { device: 'GPUDevice', options: 'AdaptersOptions = {}' },
    'Promise<Adapters>',
    body(facts),
  ),
  ...checks(facts),
];

/** A use of the module, with names of the first region. */
export function example({ regions, training }: ModuleFacts): string {
  const [region] = regions;
  if (!region) throw new Error('a plan has a region');
  const [y] = region.y;
  const [dy] = region.dy ?? [];
  return [
    'const device = await adapter.requestDevice(requirements());',
    'const host = await createAdapters(device);',
    'host.setWeights(weights);',
    'host.setAdapter(factors);',
    `host.write(${quoted(region.x)}, x);`,
    'host.forward(0);',
    ...(y === undefined ? [] : [`const y = await host.read(${quoted(y)});`]),
    ...(training && dy !== undefined
      ? [`host.write(${quoted(dy)}, dy);`, 'host.backward(0);', 'host.step({ learningRate: 1e-3 });']
      : []),
  ].join('\n');
}

const body = (facts: ModuleFacts): string => `
const { tokens = TOKENS } = options;
const lacks = missing(device, tokens);
if (lacks.length > 0) {
  const remedy = \`ask for it with adapter.requestDevice(requirements(\${tokens}))\`;
  const check = \`missing(adapter, \${tokens}) says whether the adapter has it\`;
  throw new RangeError(\`the device lacks \${lacks.join(', ')}: \${remedy}; \${check}\`);
}
// first, so that nothing is allocated when a kernel does not compile
const compile = compilerOn(device, tokens);
const launches = await Promise.all(
  KERNEL_NAMES.map(async (name) => [name, await compile(name, KERNELS[name])] as const),
);
${facts.training ? COMPILE_STEPS : ''}
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
${facts.training ? MOMENTS : ''}const full = await device.popErrorScope();
if (full) {
  for (const buffer of owned) buffer.destroy();
  throw new Error(\`the device has no room for the buffers of \${tokens} tokens: \${full.message}\`);
}
device.queue.writeBuffer(uniforms, 0, Uint32Array.of(${facts.adapters > 1 ? 'tokens, Math.ceil(tokens / ROW_BLOCK), ROW_BLOCK, 0' : 'tokens, 0, 0, 0'}));
const dispatches = Object.fromEntries(
  launches.map(([name, bind]) => {
    const { bindings, uniformBytes }: Kernel = KERNELS[name];
    const bound = bindings.map(({ buffer }) => buffers[buffer]);
    return [name, bind(uniformBytes > 0 ? [...bound, uniforms] : bound)];
  }),
) as Record<KernelName, Dispatch>;
${facts.training ? UPDATES : ''}
let destroyed = false;
const checkAlive = () => {
  if (destroyed) throw new Error('these adapters are destroyed');
};
const named = (names: readonly KernelName[]) => names.map((name) => dispatches[name]);
const submit = (...lists: readonly (readonly Dispatch[])[]) => {
  checkAlive();
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const { pipeline, group, grid } of lists.flat()) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...grid);
  }
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
${facts.merging ? '/** whether the weights hold the adapter */\nlet merged = false;\n' : ''}const upload = (tensors: TensorData<string>, places: Places${facts.adapters > 1 ? ', adapter = 0' : ''}) => {
  checkAlive();
${facts.merging ? "  if (merged) throw new Error('the adapter is in the weights: unmerge first');\n" : ''}  // all are checked before the first is written
  checkTensors(tensors, places);
  for (const [name, data] of Object.entries(tensors)) {
    if (!data) continue;
    for (const { buffer, offset, rows, cols, rowStride } of places[name] ?? []) {
${upload(facts)}
    }
  }
  stale = true;
};
${facts.training ? CLEAR : ''}
return {
${methods(facts)}
};`;

const COMPILE_STEPS = `const stepping = await Promise.all(
  STEPS.map(async (step) => [step, await compile(\`step_\${step.factor}\`, step.kernel)] as const),
);
`;

const MOMENTS = `const numbers = allocate('step', 32, USAGE.UNIFORM | USAGE.COPY_DST);
const bindSteps = stepping.map(([{ factor, gradient, kernel }, bind]) => {
  const size = bytesOf(factor, tokens);
  const own: Readonly<Record<StepBuffer, GPUBuffer>> = {
    parameter: buffers[factor],
    gradient: buffers[gradient],
    moment1: allocate(\`\${factor}_moment1\`, size, storage),
    moment2: allocate(\`\${factor}_moment2\`, size, storage),
  };
  return () => bind([...kernel.bindings.map(({ buffer }) => own[buffer]), numbers]);
});
`;

const UPDATES = `const updates = bindSteps.map((bind) => bind());
let steps = 0;
`;

const CLEAR = `
/** gradients of inputs that the first of their regions has written since the last step */
const begun = new Set<BufferName>();
const clear = () => {
  checkAlive();
  const encoder = device.createCommandEncoder();
  for (const name of CLEARED) encoder.clearBuffer(buffers[name]);
  device.queue.submit([encoder.finish()]);
  begun.clear();
};
`;

/** Writes `data` to one place. */
function upload({ half, adapters }: ModuleFacts): string {
  const many = adapters > 1;
  const start = many ? 'own + offset' : 'offset';
  return `${
    half
      ? `if (isHalf(buffer)) {
  // a weight is the whole of its buffer
  device.queue.writeBuffer(buffers[buffer], 0, toHalves(data));
  continue;
}
`
      : ''
  }${many ? 'const own = adapter * (sizeOf(buffer, tokens) / ADAPTERS);\n' : ''}const stretches = rowStride === cols ? 1 : rows;
const length = data.length / stretches;
for (let row = 0; row < stretches; row++) {
  const at = 4 * (${start} + row * rowStride);
  device.queue.writeBuffer(buffers[buffer], at, data, row * length, length);
}`;
}

function checks({ adapters, training }: ModuleFacts): Statement[] {
  return [
    fn(
      { name: 'regionOf', doc: 'A region by its index, which may be wrong in callers without types.' },
      { index: 'number' },
      'Region',
      `
const region: Region | undefined = REGIONS[index];
if (!region) throw new RangeError(\`there is no region \${index}, only \${REGIONS.length}\`);
return region;`,
    ),
    fn(
      { name: 'checkTensors', doc: 'Throws RangeError for a tensor that is not there or has another size.' },
      { tensors: 'TensorData<string>', places: 'Places' },
      'void',
      `
for (const [name, data] of Object.entries(tensors)) {
  const list = places[name];
  if (!list) throw new RangeError(\`there is no tensor \${name} here\`);
  for (const { rows, cols } of list) {
    if (data && data.length !== rows * cols) {
      throw new RangeError(\`\${name} is \${rows} x \${cols}, not \${data.length} numbers\`);
    }
  }
}`,
    ),
    fn(
      { name: 'checkLength', doc: 'Throws RangeError for numbers that do not fill a buffer.' },
      { name: 'BufferName', data: 'Float32Array', tokens: 'number' },
      'void',
      `
const size = sizeOf(name, tokens);
if (data.length === size) return;
const { shape }: BufferLayout = BUFFERS[name];
const expected = \`\${shape.join(' x ')} with M = \${tokens}: \${size} numbers\`;
throw new RangeError(\`\${name} is \${expected}, not \${data.length}\`);`,
    ),
    ...(adapters > 1
      ? [
          fn(
            { name: 'checkNumbers', doc: 'Throws RangeError for the table of rows, which holds no float32.' },
            { name: 'BufferName' },
            'void',
            "if (name === 'rowAdapter') throw new RangeError('rowAdapter is filled by setRows');",
          ),
          fn(
            { name: 'checkAdapter', doc: 'Throws RangeError for an adapter that is not there.' },
            { adapter: 'number' },
            'void',
            `
if (!Number.isInteger(adapter) || adapter < 0 || adapter >= ADAPTERS) {
  throw new RangeError(\`there is no adapter \${adapter}, only \${ADAPTERS}\`);
}`,
          ),
        ]
      : []),
    ...(training
      ? [
          fn(
            { name: 'isFraction', doc: 'Whether a number is at least 0 and below 1.' },
            { value: 'number' },
            'boolean',
            'return value >= 0 && value < 1;',
          ),
        ]
      : []),
  ];
}
