import { kernelOf } from '../../kernel/gen/kernels.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import type { Launch } from '../../kernel/model/types.js';

/** A launch, its kernel, and the buffers of the plan that are bound to the names in the kernel. */
export interface BoundKernel {
  readonly launch: Launch;
  readonly kernel: Kernel;
  /** buffers of the plan by the kernel's names for them */
  readonly buffers: ReadonlyMap<string, string>;
}

/**
 * Kernels of launches, each made once: a model has many layers of few shapes, and launches that differ only in their
 * buffers share one kernel, which names buffers by their role (x, W, P) and has the name of the first launch.
 */
export class SharedKernels {
  readonly #known = new Map<string, Kernel>();

  of(launch: Launch): BoundKernel {
    const roles = new Map<string, string>();
    const { name, ...rest } = { ...launch, work: inRoles(launch.work, roles) };
    const key = JSON.stringify(rest);
    const kernel = this.#known.get(key) ?? kernelOf({ name, ...rest });
    this.#known.set(key, kernel);
    const buffers = new Map([...roles].map(([buffer, role]) => [role, buffer]));
    return { launch, kernel, buffers };
  }
}

/** A part of a launch in which buffers have the names of their roles; `roles` gathers these by buffer. */
function inRoles<T>(part: T, roles: Map<string, string>): T {
  if (Array.isArray(part)) return part.map((entry) => inRoles(entry, roles)) as T;
  if (typeof part !== 'object' || part === null) return part;
  const entries = Object.entries(part).map(([key, value]) => {
    const names = (key === 'buffer' || key === 'table') && typeof value === 'string';
    return [key, names ? roleOf(value, roles) : inRoles(value, roles)];
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
