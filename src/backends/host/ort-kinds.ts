import { kernelOf } from '../kernel/families/kernels.js';
import type { Kernel } from '../kernel/ir/kir.js';
import { productLaunch, type Target, type Wanted } from '../kernel/launches.js';
import type { KernelPlan, Launch } from '../kernel/types.js';
import { scheduleOf } from './cuda-lower.js';
import { type GridExtent, gridFor } from './tables.js';

/** A kind of adapted layer: what kernels are made for. */
export interface Kind {
  /** name of the operator without endings */
  readonly stem: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly factors: 2 | 3;
  readonly transposed: boolean;
  readonly scale: number;
}

/** The kinds of layers that a plan has, each once. */
export function kindsOf({ regions, groups }: KernelPlan): readonly Kind[] {
  const kinds = new Map<string, Kind>();
  for (const layer of regions.flatMap(({ region }) => region.layers)) {
    const { scale, method } = groups.find(({ id }) => id === layer.group)!;
    const factors = layer.factors.length === 3 ? 3 : 2;
    const kind: Kind = {
      stem: factors === 3 ? 'LoTRLinear' : `Adapter_${method.replace(/\W/g, '_')}`,
      in: layer.in,
      out: layer.out,
      rank: layer.rank,
      factors,
      transposed: layer.weightStored === 'oi',
      scale,
    };
    kinds.set(JSON.stringify(kind), kind);
  }
  return [...kinds.values()];
}

/** One launch of a kind, and its kernel. */
export interface Step {
  readonly launch: Launch;
  readonly kernel: Kernel;
}

/** A launch with the schedule that is written of it; `tf32`: products may be rounded. */
export function stepOf(launch: Launch, tf32: boolean): Step {
  const written = { ...launch, schedule: scheduleOf(launch, tf32) };
  return { launch: written, kernel: kernelOf(written) };
}

export const productStep = (target: Target, wanted: Wanted, tf32: boolean): Step =>
  stepOf(productLaunch(target, wanted), tf32);

/** The C++ call that launches it; `operands`: what stands for its buffers, by their names. */
export function launchText(
  { launch, kernel }: Step,
  operands: Readonly<Record<string, string>>,
  tokens: number,
): string {
  const grid = gridFor(launch, tokens).map(extentText).join(', ');
  const given = kernel.buffers.map(({ name }) => operands[name]!);
  const rows = kernel.uniforms.map(({ name }) => name);
  return `launch(${['stream', kernel.name, `dim3(${grid})`, kernel.workgroup[0], ...given, ...rows].join(', ')})`;
}

const extentText = (extent: GridExtent): string =>
  typeof extent === 'number' ? `${extent}` : `(M + ${extent.per - 1}) / ${extent.per}`;
