import { bare } from '../../../../ir/keys.js';
import type { ElementwiseDef } from '../../../../train/optimizers/define.js';
import type { SubgroupMatrix } from '../../../kernel/device/subgroup-matrices.js';
import { CAST_WIDTH } from '../../../kernel/gen/cast.js';
import { STEP_WIDTH } from '../../../kernel/gen/step.js';
import { arrayBytes, type Kernel } from '../../../kernel/ir/kir.js';
import type { BufferPlan, KernelPlan, Launch } from '../../../kernel/model/types.js';
import { printWgsl } from '../../../kernel/print/wgsl/print.js';
import { distinct, PLACED } from '../../shared/kernels.js';
import { factorCastsOf, factorSteps } from '../../shared/steps.js';
import {
  type GridExtent,
  gridFor,
  kernelsOf,
  packedTensors,
  placesOf,
  regionRow,
  rowBlockOf,
  rowFactorsOf,
  type TensorPlace,
} from '../../shared/tables.js';
import { featuresOf } from '../features.js';
import { elementsRead } from '../slices.js';
import type { TableValue } from './literal.js';

/** A kernel as the module has it: everything that is needed to bind and to launch it. */
export interface KernelRow {
  readonly name: string;
  /** for readers: what it computes */
  readonly does: string;
  readonly workgroup: readonly [number, number, number];
  readonly grid: readonly GridExtent[];
  /** in binding order */
  readonly bindings: readonly {
    readonly buffer: string;
    readonly type: 'read-only-storage' | 'storage';
    /** bytes of the buffer before what the kernel is given; absent: 0 */
    readonly offset?: number;
    /** bytes that the kernel is given; absent: all that follow */
    readonly size?: number;
  }[];
  /** bytes of the struct of uniforms at the binding after the buffers; 0: there is none */
  readonly uniformBytes: number;
  /** name of the source: launches that differ only in their buffers share one */
  readonly source: string;
}

/** A row for the kernel of an optimizer step; its buffers are the `parameter`, its `gradient` and the moments. */
interface StepRow {
  readonly factor: string;
  readonly gradient: string;
  readonly kernel: KernelRow;
}

/** Everything that the text of a module depends on. */
export interface ModuleFacts {
  readonly device: string;
  readonly tokens: number;
  readonly training: boolean;
  /** what adapter files for its layers agree in */
  readonly description: KernelPlan['description'];
  /** buffers of float16 */
  readonly half: boolean;
  /** some buffers are larger than what kernels are given of them */
  readonly slices: boolean;
  readonly adapters: number;
  /** rows have adapters of their own: the largest rank, groups of layers and the places of factors */
  readonly rows: {
    readonly most: number;
    readonly groups: readonly {
      readonly label: string;
      readonly scale: number;
      readonly ranks: string;
      readonly scales: string;
    }[];
    readonly factors: Readonly<Record<string, readonly TableValue[]>>;
  } | null;
  /** rows of x of one adapter that lie together at least */
  readonly rowBlock: number;
  readonly buffers: readonly BufferPlan[];
  readonly weights: Readonly<Record<string, readonly TensorPlace[]>>;
  /** buffers of bytes, by the tensors that fill them: packed weights and zero points */
  readonly packed: Readonly<Record<string, string>>;
  readonly factors: Readonly<Record<string, readonly TensorPlace[]>>;
  readonly regions: readonly ReturnType<typeof regionRow>[];
  readonly prologue: readonly string[];
  readonly epilogue: readonly string[];
  readonly cleared: readonly string[];
  /** merges the adapter into the weights and unmerges it */
  readonly merging: { readonly merge: readonly string[]; readonly unmerge: readonly string[] } | null;
  /** WGSL of the kernels, each once */
  readonly sources: readonly { readonly name: string; readonly code: string }[];
  readonly kernels: readonly KernelRow[];
  /** what a step does, in a plan for training */
  readonly optimizer: ElementwiseDef;
  readonly steps: readonly StepRow[];
  /** uniforms of the kernels of a step, in the order of their struct */
  readonly stepUniforms: readonly string[];
  readonly features: readonly string[];
  /** what subgroups multiply, if they do */
  readonly matrix: SubgroupMatrix | null;
  readonly limits: Readonly<Record<string, number>>;
}

/** The kernels of a module: those that make narrow copies of factors, those of the launches, those of the step. */
export interface ModuleKernels {
  readonly narrowed: ReturnType<typeof factorCastsOf>;
  readonly launched: ReturnType<typeof kernelsOf>;
  readonly optimizer: ElementwiseDef;
  readonly steps: ReturnType<typeof factorSteps>;
}

export function kernelsOfModule(
  plan: KernelPlan,
  optimizer: ElementwiseDef,
): ModuleKernels & { readonly all: readonly Kernel[] } {
  const [narrowed, launched, steps] = [
    factorCastsOf(plan),
    kernelsOf(plan, PLACED.byBinding),
    factorSteps(plan, optimizer),
  ];
  return {
    narrowed,
    launched,
    optimizer,
    steps,
    all: distinct([...narrowed, ...launched.values(), ...steps]),
  };
}

export function factsOf(
  plan: KernelPlan,
  { narrowed, launched, optimizer, steps, all }: ReturnType<typeof kernelsOfModule>,
): ModuleFacts {
  const names = (list: readonly Pick<Launch, 'name'>[]) => list.map(({ name }) => name);
  const large = tooLarge(plan);
  const kernels = [
    ...narrowed.map(({ kernel, from, to, elements }): KernelRow => {
      const grid = [Math.ceil(elements / CAST_WIDTH), 1, 1];
      const does = `${to} = ${from} in float16`;
      return kernelRow({ name: narrowName(from), does, kernel, grid }, (_, index) =>
        index === 0 ? from : to,
      );
    }),
    ...[...launched.values()].map(({ kernel, launch: { name, does, work }, launch, buffers, firsts }) =>
      kernelRow(
        { name, does, kernel, grid: gridFor(launch, plan.tokens) },
        (buffer) => buffers.get(buffer)!,
        firsts,
        (buffer) => (large.has(buffer) ? elementsRead(work, buffer) : null),
      ),
    ),
  ];
  return {
    device: plan.device.name,
    tokens: plan.tokens,
    training: plan.purpose === 'train',
    description: plan.description,
    half: plan.buffers.some(({ dtype }) => dtype === 'f16'),
    slices: kernels.some(({ bindings }) => bindings.some(({ size }) => size !== undefined)),
    adapters: plan.adapters,
    rows: plan.mostRank === undefined ? null : { most: plan.mostRank, ...rowTables(plan) },
    rowBlock: rowBlockOf(plan),
    buffers: plan.buffers,
    weights: placesOf(
      plan.buffers.filter(({ dtype }) => dtype !== 'u8'),
      'weight',
    ),
    packed: packedTensors(plan.buffers),
    factors: placesOf(plan.buffers, 'step', plan.adapters),
    regions: plan.regions.map((region) => regionRow(region, plan)),
    prologue: [...narrowed.map(({ from }) => narrowName(from)), ...names(plan.prologue)],
    epilogue: names(plan.epilogue),
    cleared: names(plan.buffers.filter(({ cleared }) => cleared)),
    merging: plan.merging ? { merge: names(plan.merging.merge), unmerge: names(plan.merging.unmerge) } : null,
    sources: all.map((kernel) => ({ name: kernel.name, code: printWgsl(kernel) })),
    kernels,
    optimizer,
    steps: steps.map(({ factor, gradient, kernel, elements }) => ({
      factor,
      gradient,
      kernel: kernelRow({
        name: `step_${factor}`,
        does: `one ${optimizer.title} step on ${factor}`,
        kernel,
        grid: [Math.ceil(elements / STEP_WIDTH), 1, 1],
      }),
    })),
    stepUniforms: steps[0]?.kernel.uniforms.map(({ name }) => name) ?? [],
    features: featuresOf(all),
    matrix: all.flatMap(({ matrix }) => matrix ?? [])[0] ?? null,
    limits: limitsOf(all),
  };
}

/** Groups with the buffers of their adapters' ranks and scales, and where their factors are, by tensor. */
function rowTables(plan: KernelPlan) {
  const factors = bare<TableValue[]>();
  const parts = new Map(plan.buffers.map(({ name, shape }) => [name, Number(shape[0]) / plan.adapters]));
  for (const { tensor, buffer, group, nth, line, length, turned } of rowFactorsOf(plan)) {
    // the tensors of a part have the same number of lines
    const { ofRows } = plan.buffers.find(({ name }) => name === buffer)!;
    const first = nth * line * (parts.get(buffer)! / ofRows!.tensors.length);
    factors[tensor] ??= [];
    factors[tensor].push({ buffer, group, first, length, turned });
  }
  const groups = plan.groups.map(({ id, scale }, n) => ({
    label: id,
    scale,
    ranks: `ranks_${n}`,
    scales: `scales_${n}`,
  }));
  return { groups, factors };
}

const narrowName = (factor: string): string => `narrow_${factor}`;

/** Buffers of fixed size that a device does not bind at once, and that products read in parts. */
const tooLarge = ({ buffers, device: { bindingBytes = Number.POSITIVE_INFINITY } }: KernelPlan) =>
  new Set(
    buffers.flatMap(({ name, dtype, shape }) => {
      if (dtype === 'u8') return [];
      const elements = shape.reduce<number>((all, extent) => all * Number(extent), 1);
      return elements * (dtype === 'f16' ? 2 : 4) > bindingBytes ? [name] : [];
    }),
  );

/**
 * `buffer`: which buffer is at a binding, by the kernel's name for it; `firsts`: elements of it that lie before; `end`: the element after
 * the last one that the kernel reads, or null, by the name of the buffer.
 */
function kernelRow(
  { name, does, kernel, grid }: Pick<KernelRow, 'name' | 'does' | 'grid'> & { readonly kernel: Kernel },
  buffer: (name: string, index: number) => string = (own) => own,
  firsts: ReadonlyMap<string, number> = new Map(),
  end: (buffer: string) => number | null = () => null,
): KernelRow {
  return {
    name,
    does,
    source: kernel.name,
    workgroup: kernel.workgroup,
    grid,
    bindings: kernel.buffers.map(({ name: own, access, elem }, index) => {
      const bytes = elem === 'f16' ? 2 : 4;
      const first = firsts.get(own) ?? 0;
      const last = end(buffer(own, index));
      return {
        buffer: buffer(own, index),
        type: access === 'read' ? 'read-only-storage' : 'storage',
        ...(first > 0 ? { offset: bytes * first } : {}),
        // in whole words
        ...(last !== null ? { size: 4 * Math.ceil((bytes * (last - first)) / 4) } : {}),
      };
    }),
    // all are numbers of four bytes
    uniformBytes: 4 * kernel.uniforms.length,
  };
}

/** What the largest kernel needs of each limit. A limit is left out where the default of WebGPU is enough. */
function limitsOf(kernels: readonly Kernel[]): Readonly<Record<string, number>> {
  const most = (of: (kernel: Kernel) => number) => Math.max(...kernels.map(of));
  const needed = {
    maxStorageBuffersPerShaderStage: most(({ buffers }) => buffers.length),
    maxComputeInvocationsPerWorkgroup: most(({ workgroup: [x, y, z] }) => x * y * z),
    maxComputeWorkgroupSizeX: most(({ workgroup: [x] }) => x),
    maxComputeWorkgroupSizeY: most(({ workgroup: [, y] }) => y),
    maxComputeWorkgroupSizeZ: most(({ workgroup: [, , z] }) => z),
    maxComputeWorkgroupStorageSize: most(({ arrays }) =>
      arrays.reduce((sum, array) => sum + arrayBytes(array), 0),
    ),
  };
  return Object.fromEntries(Object.entries(needed).filter(([, most]) => most > 1));
}
