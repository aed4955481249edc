import type { KernelForm } from '../../../adapter/kernel-form.js';
import { operandsOf } from '../../../adapter/terms.js';
import { gradientHints } from '../../../passes/adapters/gradient-function.js';
import { stemOf } from '../../../passes/adapters/to-functions.js';
import { type Apart, CAST_WIDTH, castKernel } from '../../kernel/gen/cast.js';
import { kernelOf } from '../../kernel/gen/kernels.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import { type MapParam, mapLengths } from '../../kernel/ir/warpgroups.js';
import type {
  DeviceProfile,
  KernelDtype,
  KernelPlan,
  Launch,
  TileSchedule,
} from '../../kernel/model/types.js';
import { ELEMENT_BYTES } from '../../kernel/plan/cost.js';
import { type ProductRequest, productLaunch, type Target } from '../../kernel/plan/launches.js';
import { eitherText, indented, kernelCall, plainBuffers } from '../cuda/launch-text.js';
import { groupedSchedule, scheduleOf } from '../cuda/lower.js';
import { whichBeginEarly } from '../cuda/overlap.js';
import { twinOf } from '../cuda/warpgroups.js';
import { type GridExtent, gridFor } from '../shared/tables.js';
import { callsInstead, callText, type LibraryCalls } from './library.js';

/** A kind of adapted layer: what kernels are made for. */
export interface LayerKind {
  /** name of the operator without endings */
  readonly stem: string;
  readonly in: number;
  readonly out: number;
  /** columns of P = x down */
  readonly own: number;
  /** the same as P, and what it is multiplied by, are stored: followed by zeros, where warpgroups take no others */
  readonly rank: number;
  readonly transposed: boolean;
  readonly scale: number;
  readonly delta: string;
  readonly form: KernelForm;
  /** of the letters of delta */
  readonly extents: Readonly<Record<string, number>>;
}

/** Extents of the factors of a layer. */
export const shapesOf = (kind: Pick<LayerKind, 'delta' | 'extents'>): readonly (readonly number[])[] =>
  operandsOf(kind).map((letters) => letters.map((letter) => kind.extents[letter]!));

/** The kinds of layers of a plan whose weights are not packed, each once. */
export function layerKindsOf({ regions, groups }: KernelPlan): readonly LayerKind[] {
  const kinds = new Map<string, LayerKind>();
  for (const layer of regions.flatMap(({ region }) => region.layers)) {
    // calls of functions over packed products have other names
    if (layer.packed) continue;
    const group = groups.find(({ id }) => id === layer.group)!;
    const { scale, delta, form } = group;
    // operators read the factors of the model
    const extents = group.unpadded ?? group.extents;
    const product = (of: Readonly<Record<string, number>>) =>
      form.inner.reduce((all, letter) => all * of[letter]!, 1);
    const kind: LayerKind = {
      stem: stemOf(group),
      in: layer.in,
      out: layer.out,
      own: product(extents),
      rank: product(group.extents),
      transposed: layer.weightStored === 'oi',
      scale,
      delta,
      form,
      extents,
    };
    kinds.set(JSON.stringify(kind), kind);
  }
  return [...kinds.values()];
}

/** The names of operators of a plan, each once, with those of the gradients that they can have. */
export function stemsOf({
  groups,
}: KernelPlan): readonly { readonly stem: string; readonly hints: readonly string[] }[] {
  const found = groups.map((group) => {
    const factors = group.factors.map(({ name }) => name);
    return {
      stem: stemOf(group),
      hints: gradientHints({ factors, wanted: ['x', ...factors, 'b'].map(() => true) }),
    };
  });
  return [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
}

/** A kernel and the extents of its grid. */
interface Gridded {
  readonly kernel: Kernel;
  readonly grid: readonly GridExtent[];
}

/** One launch of a kind. */
export interface KindLaunch extends Gridded {
  /** what it is a launch of, and the tiles that the plan has for it; absent where a factor is rounded */
  readonly launch?: Launch & { readonly planned: TileSchedule };
  /** the twin begins before the launch before it has ended */
  readonly early?: true;
  /** what is called for many rows instead */
  readonly library?: LibraryCalls;
  /** what devices with warpgroups run instead */
  readonly twin?: Gridded;
  /** names of its buffers in the C++ text, where they are its own */
  readonly operands?: Readonly<Record<string, string>>;
}

/** What steps are emitted for. */
export interface OperatorTarget {
  readonly target: Target;
  /** the device that has least, of those that kernels run on */
  readonly least: DeviceProfile;
  /** as nvcc spells them */
  readonly architectures: readonly string[];
}

/** A launch with the schedules that are emitted for it. */
export function stepOf(launch: Launch, { target, least, architectures }: OperatorTarget): KindLaunch {
  const gridded = (one: Launch): Gridded => ({ kernel: kernelOf(one), grid: gridFor(one, target.tokens) });
  const written = { ...launch, schedule: scheduleOf(launch, least), planned: launch.schedule };
  const warpgroups = groupedSchedule(launch, architectures);
  if (!warpgroups) return { ...gridded(written), launch: written };
  const twin = gridded(twinOf(launch, warpgroups));
  return { ...gridded(written), launch: { ...written, warpgroups }, twin };
}

export function productStep(setting: OperatorTarget, wanted: ProductRequest): KindLaunch {
  const step = stepOf(productLaunch(setting.target, wanted), setting);
  const library = wanted.family === 'gemm' ? callsInstead(setting.target, wanted) : null;
  return library ? { ...step, library } : step;
}

/**
 * Columns of the tile of a product: a tile at least as wide as the rank can be multiplied once more before it is
 * stored.
 */
export const tileOf = ({ target, least }: OperatorTarget, wanted: ProductRequest): number =>
  scheduleOf(productLaunch(target, wanted), least).BN;

/** Rounds a factor to the type of the layer; rows may lie `apart`. */
export function castStep(
  name: string,
  elements: number,
  dtype: KernelDtype,
  from: string,
  to: string,
  apart?: Apart,
): KindLaunch {
  const kernel = castKernel(name, elements, dtype, apart);
  return {
    kernel,
    grid: [Math.ceil(elements / CAST_WIDTH), 1, 1],
    operands: { wide: from, narrow: to },
  };
}

/** C++ expressions of buffers, by their names in kernels. */
export type Operands = Readonly<Record<string, string>>;

/** The C++ statements that launch it. */
export function launchText(step: KindLaunch, given: Operands): readonly string[] {
  const { library } = step;
  const emitted = emittedText(step, step.operands ?? given);
  if (!library) return emitted;
  const calls = library.calls.map((call) => callText(call, given));
  return [
    `if (M >= ${library.from}) {`,
    ...indented(calls, '  '),
    '} else {',
    ...indented(emitted, '  '),
    '}',
  ];
}

function emittedText(step: KindLaunch, operands: Operands): readonly string[] {
  const { twin, early = false } = step;
  const call = callOf(step, operands);
  if (!twin) return [`LOTRC_TRY(${call});`];
  const maps = (twin.kernel.maps ?? []).map((map, at) => `LOTRC_TRY(${mapText(map, at, operands)});`);
  const turn = 'const std::lock_guard<std::mutex> turn(maps.turn);';
  return eitherText('queue', [turn, ...maps], callOf(twin, operands, early), call);
}

const callOf = ({ kernel, grid }: Gridded, operands: Operands, early = false): string =>
  kernelCall(kernel, {
    ...{ queue: 'queue', early },
    grid: grid.map((extent) => (typeof extent === 'number' ? `${extent}` : `tiles(M, ${extent.per})`)),
    maps: (kernel.maps ?? []).map((_, at) => `maps.map[${at}].made`),
    operands: plainBuffers(kernel).map(({ name }) => operands[name]!),
    uniforms: kernel.uniforms.map(({ name }) => name),
  });

/** The call that makes a map, in a place of its own among those of a layer. */
function mapText(map: MapParam, at: number, operands: Operands): string {
  // a length of 0 means the number of rows
  const { offset, rows, cols, pitch, box } = mapLengths(map, { M: 0 });
  if (offset !== 0) throw new Error(`${map.name} begins inside of its buffer`);
  const lengths = [rows || 'M', cols || 'M', pitch, box];
  return `make_map(${['queue', `&maps.map[${at}]`, 'HALF', operands[map.view.buffer]!, ...lengths].join(', ')})`;
}

/** Zeros in the first `elements` of the scratch memory, where a kind has columns that no step writes. */
export const zerosText = ({ own, rank }: LayerKind, elements: number): readonly string[] =>
  own < rank ? [`LOTRC_TRY(cudaMemsetAsync(room, 0, ${elements} * sizeof(float), queue->stream));`] : [];

/** Launches that run one after another: twins begin early where they may, and what is before them lets them. See cuda/overlap.ts. */
export function overlapped(steps: readonly KindLaunch[]): readonly KindLaunch[] {
  const bound = steps.map(({ launch, kernel, twin }) => {
    const own = (twin ?? { kernel }).kernel;
    const buffers = new Map(own.buffers.map(({ name }) => [name, name]));
    return launch ? { launch, kernel: own, buffers, firsts: new Map() } : null;
  });
  const early = whichBeginEarly(bound);
  return steps.map((step, index) => {
    const begins = early[index] && step.twin ? { ...step, early: true as const } : step;
    const next = early[index + 1] && steps[index + 1]!.twin && !step.twin;
    return next ? { ...begins, kernel: { ...begins.kernel, releases: true } } : begins;
  });
}

/** Scratch memory whose size does not depend on the tokens, as float32; what follows it begins at a multiple of 16 bytes too. */
export class Scratch {
  size = 0;
  readonly places: Record<string, string> = {};

  /** Room for a matrix; returns its expression in the C++ text. */
  take(name: string, elements: number, dtype: KernelDtype = 'f32'): string {
    const at = `room + ${this.size}`;
    this.places[name] = dtype === 'f32' ? at : `reinterpret_cast<Element *>(${at})`;
    // 16 bytes are copied at once
    this.size += Math.ceil((elements * ELEMENT_BYTES[dtype]) / 16) * 4;
    return this.places[name];
  }

  /** Where the matrices lie that have a row for each token, in the type of the layer. */
  tokensText(): string {
    return `  Element *const tokens = reinterpret_cast<Element *>(room + ${this.size});`;
  }
}
