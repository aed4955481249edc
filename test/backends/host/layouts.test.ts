import { expect, test } from 'vitest';
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { type EmittedKernel, type EmittedModule, loadModule } from '../../support/host-module.js';
import { hostPlans } from '../../support/host-plans.js';

/** Lengths that kernels share, in the order in which the module writes them. */
const UNIFORMS = ['M', 'rowBlocks', 'rowBlock'];

/** Extensions of WGSL, and the features of WebGPU that have them. */
const FEATURES: Readonly<Record<string, string>> = {
  f16: 'shader-f16',
  subgroups: 'subgroups',
  chromium_experimental_subgroup_matrix: 'chromium-experimental-subgroup-matrix',
  subgroup_size_control: 'subgroup-size-control',
};

const TYPES: Readonly<Record<string, string>> = { read: 'read-only-storage', read_write: 'storage' };

/** What a reader of WGSL that is not ours finds in a kernel. */
function readingOf(code: string) {
  const found = new WgslReflect(code);
  const [entry, ...others] = found.entry.compute;
  if (!entry || others.length > 0) throw new Error('a kernel has one entry point');
  const [size, ...rest] = entry.attributes!.filter(({ name }) => name === 'workgroup_size');
  if (rest.length > 0 || found.textures.length + found.samplers.length + found.overrides.length > 0)
    throw new Error('more than buffers and a workgroup');
  const storage = found.storage.toSorted((a, b) => a.binding - b.binding);
  const [uniforms = null] = found.uniforms;
  return {
    entry: entry.name,
    workgroup: (size!.value as string[]).map(Number),
    groups: [...new Set([...storage, ...found.uniforms].map(({ group }) => group))],
    places: [...storage, ...found.uniforms].map(({ binding }) => binding),
    // a name that WGSL keeps for itself has an underscore after it, a second buffer of its kind a number
    names: storage.map(({ name }) => name.replace(/_$|_\d+$/, '')),
    access: storage.map(({ access }) => TYPES[access]),
    elements: storage.map(({ type }) => (type as { format?: { name: string } }).format!.name),
    // the reader does not list what belongs to a workgroup
    workgroupBytes: [...code.matchAll(/^var<workgroup> \w+: array<f32, (\d+)>;$/gm)].reduce(
      (bytes, [, length]) => bytes + 4 * Number(length),
      0,
    ),
    uniformBytes: uniforms?.size ?? 0,
    uniforms: uniforms?.members?.map(({ name, offset }) => [name, offset] as const) ?? [],
  };
}

/** Kernels of a module by name, with the types of what they bind. */
function kernelsOf({ KERNELS, STEPS = [], BUFFERS }: EmittedModule) {
  const launched = Object.entries(KERNELS).map(
    ([name, kernel]) => [name, kernel, kernel.bindings.map(({ buffer }) => BUFFERS[buffer]!.type)] as const,
  );
  const stepped = STEPS.map(
    ({ factor, kernel }) => [`step ${factor}`, kernel, kernel.bindings.map(() => 'f32')] as const,
  );
  return [...launched, ...stepped];
}

/** Where the tables of a module are not what its kernels say, and what it would ask of a device without need. */
function disagreements(module: EmittedModule): string[] {
  const readings: ReturnType<typeof readingOf>[] = [];
  const wrong = kernelsOf(module).flatMap(([name, kernel, types]) => {
    const reading = readingOf(kernel.code);
    readings.push(reading);
    const { bindings, uniformBytes, workgroup } = kernel;
    const places = bindings.length + (uniformBytes > 0 ? 1 : 0);
    const names = name.startsWith('step ') ? [] : UNIFORMS;
    const pairs: readonly (readonly [what: string, table: unknown, shader: unknown])[] = [
      ['entry point', 'main', reading.entry],
      ['groups', [0], reading.groups],
      ['places', Array.from({ length: places }, (_, place) => place), reading.places],
      // a copy in another type is made by one kernel for all
      [
        'names',
        name.startsWith('narrow_')
          ? reading.names
          : bindings.map(({ buffer }) => buffer.replace(/_\d+(?=_|$)/g, '')),
        reading.names,
      ],
      ['access', bindings.map(({ type }) => type), reading.access],
      ['elements', types, reading.elements],
      ['uniform bytes', uniformBytes, reading.uniformBytes],
      ['workgroup', workgroup, reading.workgroup],
      // one buffer serves all: what a kernel reads of it begins it
      ...names
        .slice(0, reading.uniforms.length)
        .map((length, at) => [`uniform ${at}`, [length, 4 * at], reading.uniforms[at]] as const),
    ];
    return pairs
      .filter(([, a, b]) => JSON.stringify(a) !== JSON.stringify(b))
      .map(([what]) => `${name}: ${what}`);
  });
  const { requiredLimits, requiredFeatures } = module.requirements(module.TOKENS);
  const most = (of: (reading: ReturnType<typeof readingOf>) => number) => Math.max(...readings.map(of));
  const limits: Readonly<Record<string, number>> = {
    maxStorageBuffersPerShaderStage: most(({ access }) => access.length),
    maxComputeInvocationsPerWorkgroup: most(({ workgroup }) => workgroup.reduce((a, b) => a * b)),
    maxComputeWorkgroupSizeX: most(({ workgroup }) => workgroup[0]!),
    maxComputeWorkgroupStorageSize: most(({ workgroupBytes }) => workgroupBytes),
  };
  for (const [name, needed] of Object.entries(limits)) {
    if (requiredLimits[name] !== needed) wrong.push(name);
  }
  const enabled = kernelsOf(module).flatMap(([, { code }]) =>
    [...code.matchAll(/^enable (\w+);$/gm)].map(([, extension]) => FEATURES[extension!]!),
  );
  if ([...new Set(enabled)].sort().join() !== [...requiredFeatures].sort().join()) wrong.push('features');
  return wrong;
}

test.each(Object.entries(hostPlans()))(
  '%s: bindings, access, uniforms and workgroups are those of the shaders',
  async (_, plan) => {
    const module = await loadModule(webgpuHost(plan)[0]!.text);
    expect(kernelsOf(module).length).toBeGreaterThan(1);
    expect(disagreements(module)).toEqual([]);
  },
);

test('a table that differs from a shader in anything is found', async () => {
  const plan = hostPlans()['train, float16']!;
  const module = await loadModule(webgpuHost(plan)[0]!.text);
  const change = (own: Partial<EmittedKernel>): EmittedModule => ({
    ...module,
    KERNELS: { ...module.KERNELS, down_0: { ...module.KERNELS.down_0!, ...own } },
  });
  const { bindings, code } = module.KERNELS.down_0!;
  const [first, ...rest] = bindings;
  expect(disagreements(change({}))).toEqual([]);
  expect(disagreements(change({ uniformBytes: 8 }))).toEqual(['down_0: uniform bytes']);
  expect(disagreements(change({ uniformBytes: 0 }))).toEqual(['down_0: places', 'down_0: uniform bytes']);
  expect(disagreements(change({ workgroup: [32, 1, 1] }))).toEqual(['down_0: workgroup']);
  expect(disagreements(change({ bindings: [{ ...first!, type: 'storage' }, ...rest] }))).toEqual([
    'down_0: access',
  ]);
  expect(disagreements(change({ bindings: [{ ...first!, buffer: 'dR_0' }, ...rest] }))).toEqual([
    'down_0: names',
    'down_0: elements',
  ]);
  const [second, ...others] = rest;
  expect(disagreements(change({ bindings: [second!, first!, ...others] }))).toEqual(['down_0: names']);
  expect(disagreements(change({ bindings: rest }))).toEqual([
    'down_0: places',
    'down_0: names',
    'down_0: access',
    'down_0: elements',
  ]);
  expect(disagreements(change({ code: code.replace('@binding(0)', '@binding(7)') }))).toContain(
    'down_0: places',
  );
  expect(disagreements(change({ code: code.replaceAll('M: u32', 'rows: u32') }))).toEqual([
    'down_0: uniform 0',
  ]);
  expect(
    disagreements({ ...module, requirements: () => ({ requiredFeatures: [], requiredLimits: {} }) }),
  ).toEqual([
    'maxStorageBuffersPerShaderStage',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxComputeWorkgroupStorageSize',
    'features',
  ]);
});
