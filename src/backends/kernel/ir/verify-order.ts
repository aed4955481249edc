import type { ArrayDecl } from './kir.js';

/** Memory of a workgroup array between barriers. A ring of tiles that has been filled once stays ready. */
type State = 'unwritten' | 'copying' | 'written' | 'ready' | 'read';

/**
 * The rule of order for workgroup memory: written, then a barrier, then read, then a barrier before it is written
 * again.
 */
export class WorkgroupOrder {
  readonly #states = new Map<string, State>();

  constructor(
    arrays: readonly ArrayDecl[],
    readonly broken: (where: string) => void,
  ) {
    for (const { name, space } of arrays) if (space === 'workgroup') this.#states.set(name, 'unwritten');
  }

  barrier(): void {
    for (const [name, state] of this.#states)
      if (state === 'written' || state === 'read') this.#states.set(name, 'ready');
  }

  /** Copies may have arrived. */
  arrive(): void {
    for (const [name, state] of this.#states) if (state === 'copying') this.#states.set(name, 'written');
  }

  /** What is unwritten now; calling the result restores this state. */
  unwritten(): () => void {
    const names = [...this.#states].flatMap(([name, state]) => (state === 'unwritten' ? [name] : []));
    return () => {
      for (const name of names) this.#states.set(name, 'unwritten');
    };
  }

  /** `as`: the state after writing. */
  writes({ name, stages = 1, folded }: ArrayDecl, as: State = 'written'): void {
    const state = this.#states.get(name);
    const ring = stages > 1 || folded === true;
    if (state === 'read' && !ring) this.broken(`${name} is written while others may still read it`);
    // later tiles of a ring, and halves, go where nothing reads: the simulator of tests checks that
    if (!ring || state === 'unwritten') this.#states.set(name, as);
  }

  reads({ name }: ArrayDecl): void {
    const state = this.#states.get(name);
    if (state === 'unwritten') this.broken(`${name} is read before anything is written there`);
    if (state === 'written') this.broken(`${name} is read without a barrier after it is written`);
    if (state === 'copying') this.broken(`${name} is read while copies to it are under way`);
    this.#states.set(name, 'read');
  }
}
