import { fail } from '../../../ir/diagnostics.js';
import { kernelOf } from '../../kernel/gen/kernels.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import { verifyKernel } from '../../kernel/ir/verify.js';
import type { DeviceProfile, Launch } from '../../kernel/model/types.js';

/** A launch, its kernel, and the buffers of the plan that are bound to the names in the kernel. */
export interface BoundKernel {
  readonly launch: Launch;
  readonly kernel: Kernel;
  /** buffers of the plan by the kernel's names for them */
  readonly buffers: ReadonlyMap<string, string>;
  /** elements of a buffer that lie before what the kernel is given, by the kernel's names; none: 0 */
  readonly firsts: ReadonlyMap<string, number>;
}

/** Throws LOTR6102 or LOTR6104 for the first kernel that does not fit the device or breaks a rule. */
export function requireSound(kernels: Iterable<Kernel>, device: DeviceProfile): void {
  for (const kernel of kernels) {
    const [problem] = verifyKernel(kernel, device);
    if (problem) fail(problem);
  }
}

/** Elements to a multiple of which a host places what a kernel is given. */
export const PLACED = {
  /** a pointer in CUDA: vectors of 16 bytes stay where they were */
  byPointer: 8,
  /** the offset of a binding in WebGPU: a multiple of 256 bytes, for elements of 2 bytes too */
  byBinding: 128,
} as const;

/**
 * Kernels of launches, each made once: a model has many layers of few shapes, and launches that differ only in their
 * buffers or in their places in stacked buffers share one kernel, which names buffers by their role (x, W, P) and has the name
 * of the first launch. The host passes the places, at multiples of `aligned` elements (PLACED).
 */
export class SharedKernels {
  readonly #known = new Map<string, Kernel>();

  constructor(readonly aligned: number) {}

  of(launch: Launch): BoundKernel {
    const roles = new Map<string, string>();
    const first = firstPlaces(launch.work, this.aligned);
    const { name, ...rest } = { ...launch, work: inRoles(launch.work, (own) => roleOf(own, roles), first) };
    const key = JSON.stringify(rest);
    const kernel = this.#known.get(key) ?? kernelOf({ name, ...rest });
    this.#known.set(key, kernel);
    const buffers = new Map([...roles].map(([buffer, role]) => [role, buffer]));
    const firsts = new Map([...first].map(([buffer, place]) => [roles.get(buffer)!, place]));
    return { launch, kernel, buffers, firsts };
  }
}

/** For each buffer that a launch reads or writes the first place in it, rounded down. */
function firstPlaces(part: unknown, aligned: number, found = new Map<string, number>()): Map<string, number> {
  if (typeof part !== 'object' || part === null) return found;
  const { buffer, offset } = part as { buffer?: unknown; offset?: unknown };
  if (typeof buffer === 'string' && typeof offset === 'number') {
    const place = offset - (offset % aligned);
    found.set(buffer, Math.min(found.get(buffer) ?? place, place));
  }
  for (const value of Object.values(part)) firstPlaces(value, aligned, found);
  return found;
}

/** The launch as its kernel sees it: buffers begin at the first places in them, at multiples of `aligned` elements. */
export const fromFirstPlaces = (launch: Launch, aligned: number): Launch => ({
  ...launch,
  work: inRoles(launch.work, (name) => name, firstPlaces(launch.work, aligned)),
});

/** A part of a launch in which buffers have other names, those of their roles, and begin at their first places. */
function inRoles<T>(part: T, named: (buffer: string) => string, first: ReadonlyMap<string, number>): T {
  if (Array.isArray(part)) return part.map((entry) => inRoles(entry, named, first)) as T;
  if (typeof part !== 'object' || part === null) return part;
  const own = 'buffer' in part ? (first.get(part.buffer as string) ?? 0) : 0;
  const entries = Object.entries(part).map(([key, value]) => {
    if (key === 'offset' && own > 0) return [key, (value as number) - own];
    const names = (key === 'buffer' || key === 'table') && typeof value === 'string';
    return [key, names ? named(value) : inRoles(value, named, first)];
  });
  return Object.fromEntries(entries) as T;
}

/** `W_3` is a W, and a second one of the same launch W_2. */
function roleOf(buffer: string, roles: Map<string, string>): string {
  const known = roles.get(buffer);
  if (known !== undefined) return known;
  const plain = buffer.replace(/_\d+(?=_|$)/g, '');
  const taken = new Set(roles.values());
  let role = plain;
  for (let n = 2; taken.has(role); n++) role = `${plain}_${n}`;
  roles.set(buffer, role);
  return role;
}

/** The different kernels of launches, in order. */
export const distinct = (bound: Iterable<{ readonly kernel: Kernel }>): readonly Kernel[] => [
  ...new Set([...bound].map(({ kernel }) => kernel)),
];
