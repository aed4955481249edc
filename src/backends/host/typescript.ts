import { fail } from '../../ir/diagnostics.js';
import { ADAMW_WIDTH } from '../kernel/families/adamw.js';
import { NARROW_WIDTH } from '../kernel/families/narrow.js';
import type { Kernel } from '../kernel/ir/kir.js';
import { usesSubgroups } from '../kernel/ir/subgroups.js';
import { verifyKernel } from '../kernel/ir/verify.js';
import { printWgsl } from '../kernel/print/wgsl.js';
import type { KernelPlan } from '../kernel/types.js';
import { runtimeText } from './runtime.js';
import { gridFor, kernelRow, kernelsOf, placesOf, regionRow, rowBlockOf } from './tables.js';
import { type Narrowed, narrowedOf, type TextFile, type Trained, trainedOf } from './text-file.js';

/**
 * The files of a plan for WebGPU: kernels/NAME.wgsl of every launch, and index.ts, a typed module without dependencies
 * that holds the same kernels and runs them: createAdapters with forward and, in a plan for training, backward,
 * gradients and step. In float16 storage sums are still float32. Throws LOTR6102 or LOTR6104 for a kernel that does not fit the device
 * or breaks a rule.
 */
export function typescriptHost(plan: KernelPlan): readonly TextFile[] {
  refuse(plan);
  const kernels = kernelsOf(plan);
  const [trained, narrowed] = [trainedOf(plan), narrowedOf(plan)];
  for (const kernel of [
    ...[...kernels.values()].map((entry) => entry.kernel),
    ...[...narrowed, ...trained].map((entry) => entry.kernel),
  ]) {
    const [problem] = verifyKernel(kernel, plan.device);
    if (problem) fail(problem);
  }
  return [
    { path: 'index.ts', text: moduleText(plan, kernels, trained, narrowed) },
    ...[...kernels].map(([name, { kernel }]) => file(name, kernel)),
    ...narrowed.map(({ kernel }) => file(kernel.name, kernel)),
    ...trained.map(({ factor, kernel }) => file(`step_${factor}`, kernel)),
  ];
}

const file = (name: string, kernel: Kernel): TextFile => ({
  path: `kernels/${name}.wgsl`,
  text: printWgsl(kernel),
});

function refuse({ device }: KernelPlan): void {
  if (device.api !== 'webgpu') throw new Error('the TypeScript host is for WebGPU');
}

function moduleText(
  plan: KernelPlan,
  kernels: ReturnType<typeof kernelsOf>,
  trained: readonly Trained[],
  narrowed: readonly Narrowed[],
): string {
  const halves = plan.buffers.filter(({ dtype }) => dtype === 'f16');
  const training = plan.purpose === 'train';
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  const rows = [
    ...narrowed.map(({ kernel, from, to, elements }) => {
      const row = kernelRow(kernel, [Math.ceil(elements / NARROW_WIDTH), 1, 1]);
      const bindings = row.bindings.map((binding, index) => ({
        ...binding,
        buffer: index === 0 ? from : to,
      }));
      return [kernel.name, { ...row, bindings }, `${to} = ${from} in float16`] as const;
    }),
    ...[...kernels].map(
      ([name, { kernel, launch }]) =>
        [name, kernelRow(kernel, gridFor(launch, plan.tokens)), launch.does] as const,
    ),
  ];
  const steps = trained.map(({ factor, gradient, kernel, elements }) => ({
    factor,
    gradient,
    kernel: kernelRow(kernel, [Math.ceil(elements / ADAMW_WIDTH), 1, 1]),
  }));
  const all = [...kernels.values(), ...narrowed, ...trained].map(({ kernel }) => kernel);
  return [
    `/** Adapted layers on WebGPU, ${training ? 'for training' : 'for serving'}. Written by lotrc from a plan for ${plan.device.name}: see plan.txt. */`,
    '',
    '/** rows of every x that the tiles were chosen for */',
    `export const TOKENS = ${plan.tokens};`,
    '',
    `/** Shapes of all buffers (${halves.length > 0 ? 'f32 but those of HALF' : 'f32'}, row-major); M: tokens. */`,
    table(
      'BUFFERS',
      plan.buffers.map(({ name, shape }) => [name, shape]),
      `Record<string, readonly (number | 'M'${plan.adapters > 1 ? " | 'rowBlocks'" : ''})[]>`,
    ),
    'export type BufferName = keyof typeof BUFFERS;',
    'const BUFFER_NAMES = Object.keys(BUFFERS) as BufferName[];',
    ...(halves.length > 0
      ? [
          '/** buffers that hold float16; numbers go in and out as float32 */',
          list('HALF', names(halves), 'readonly BufferName[]', false),
        ]
      : []),
    '',
    ...(plan.adapters > 1
      ? [
          '/** adapters in one batch, and how many rows of x that belong to one lie together at least */',
          `export const ADAPTERS = ${plan.adapters};`,
          `export const ROW_BLOCK = ${rowBlockOf(plan)};`,
          '',
        ]
      : []),
    '/** Where tensors of the model stand in the buffers. */',
    'interface Place { readonly buffer: BufferName; readonly offset: number; readonly rows: number; readonly cols: number; readonly rowStride: number }',
    table('WEIGHTS', Object.entries(placesOf(plan.buffers, 'weight')), 'Record<string, readonly Place[]>'),
    'export type WeightName = keyof typeof WEIGHTS;',
    table(
      'FACTORS',
      Object.entries(placesOf(plan.buffers, 'step', plan.adapters)),
      'Record<string, readonly Place[]>',
    ),
    'export type FactorName = keyof typeof FACTORS;',
    '',
    '/** Layers that read the same x: the buffers they read and write, and their launches in order. */',
    'interface Region {',
    '  readonly label: string; readonly layers: readonly string[]; readonly x: BufferName; readonly y: readonly BufferName[]; readonly forward: readonly string[];',
    ...(training
      ? [
          '  readonly dy: readonly BufferName[]; readonly dx: BufferName | null; readonly addsToDx: boolean; readonly backward: readonly string[];',
        ]
      : []),
    ...(plan.merging ? ['  readonly merged: readonly string[];'] : []),
    '}',
    list(
      'REGIONS',
      plan.regions.map((region) => regionRow(region, plan)),
      'readonly Region[]',
    ),
    `export type RegionIndex = ${plan.regions.map((_, index) => index).join(' | ')};`,
    '',
    '/** launches that make of the factors what the regions read */',
    list(
      'PROLOGUE',
      names([...narrowed.map(({ kernel }) => kernel), ...plan.prologue]),
      'readonly string[]',
      false,
    ),
    ...(plan.merging
      ? [
          '/** launches that fold the adapter into the weights, and out */',
          list('MERGE', names(plan.merging.merge), 'readonly string[]', false),
          list('UNMERGE', names(plan.merging.unmerge), 'readonly string[]', false),
        ]
      : []),
    ...(training
      ? [
          '/** launches that finish the gradients of the factors */',
          list('EPILOGUE', names(plan.epilogue), 'readonly string[]', false),
          '/** sums over regions: zero before the first of a step */',
          list(
            'CLEARED',
            names(plan.buffers.filter(({ cleared }) => cleared)),
            'readonly BufferName[]',
            false,
          ),
        ]
      : []),
    '',
    `const LIMITS = ${JSON.stringify(limitsOf(all))};`,
    '',
    '/** Workgroups along one axis: so many, or one for every `per` tokens. */',
    'type GridExtent = number | { readonly per: number };',
    "interface Kernel { readonly grid: readonly GridExtent[]; readonly uniform: boolean; readonly bindings: readonly { readonly buffer: BufferName; readonly type: 'read-only-storage' | 'storage' }[]; readonly code: string }",
    'const KERNELS: Readonly<Record<string, Kernel>> = {',
    ...rows.map(
      ([name, row, does]) => `  /** ${does.replaceAll('*/', '* /')} */\n  ${name}: ${kernelText(row)},`,
    ),
    '};',
    ...(training ? stepTables(steps, trained) : []),
    runtimeText({
      training,
      half: halves.length > 0,
      many: plan.adapters > 1,
      merging: plan.merging !== undefined,
      subgroups: all.some(usesSubgroups),
    }),
  ].join('\n');
}

function stepTables(
  steps: readonly { factor: string; gradient: string; kernel: ReturnType<typeof kernelRow> }[],
  trained: readonly Trained[],
): string[] {
  const uniforms = trained[0]?.kernel.uniforms.map(({ name }) => name) ?? [];
  return [
    '',
    '/** Hyperparameters of a step; betas 0.9 and 0.999, epsilon 1e-8 and no decay unless given. */',
    'export interface AdamW { readonly learningRate: number; readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number; readonly weightDecay?: number }',
    list('STEP_UNIFORMS', uniforms, 'readonly string[]', false),
    "interface StepKernel extends Omit<Kernel, 'bindings'> { readonly bindings: readonly { readonly buffer: string; readonly type: 'read-only-storage' | 'storage' }[] }",
    'const TRAINED: readonly { readonly factor: BufferName; readonly gradient: BufferName; readonly kernel: StepKernel }[] = [',
    ...steps.map(
      ({ factor, gradient, kernel }) =>
        `  { factor: ${JSON.stringify(factor)}, gradient: ${JSON.stringify(gradient)}, kernel: ${kernelText(kernel)} },`,
    ),
    '];',
  ];
}

function kernelText({ code, ...rest }: ReturnType<typeof kernelRow>): string {
  const source = code.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${');
  return `{ ${JSON.stringify(rest).slice(1, -1)}, code: \`${source}\` }`;
}

/** An exported constant object, one entry a line. */
function table(name: string, entries: readonly (readonly [string, unknown])[], type: string): string {
  const lines = entries.map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},`);
  return [`export const ${name} = {`, ...lines, `} as const satisfies ${type};`].join('\n');
}

function list(name: string, entries: readonly unknown[], type: string, exported = true): string {
  const lines = entries.map((value) => `  ${JSON.stringify(value)},`);
  return exported
    ? [`export const ${name} = [`, ...lines, `] as const satisfies ${type};`].join('\n')
    : [`const ${name}: ${type} = [`, ...lines, '];'].join('\n');
}

/** What the largest kernel needs of each limit. */
function limitsOf(kernels: readonly Kernel[]) {
  const most = (of: (kernel: Kernel) => number) => Math.max(...kernels.map(of));
  return {
    maxStorageBuffersPerShaderStage: most(({ buffers }) => buffers.length),
    maxComputeInvocationsPerWorkgroup: most(({ workgroup: [x, y, z] }) => x * y * z),
    maxComputeWorkgroupSizeX: most(({ workgroup: [x] }) => x),
    maxComputeWorkgroupStorageSize: most(({ arrays }) =>
      arrays.reduce((sum, { space, size }) => sum + (space === 'workgroup' ? 4 * size : 0), 0),
    ),
  };
}
