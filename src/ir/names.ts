/**
 * The allocator of names. ONNX wants value names unique over a graph and all its subgraphs, so one authority
 * serves the main graph with everything nested in it, and one each function. Names are never given back: a name that
 * an erased node used stays reserved, so a name never changes its meaning between passes.
 */
export class Names {
  readonly #values = new Set<string>();
  readonly #nodes = new Set<string>();
  readonly #next = new Map<string, number>();
  readonly #held: { has(name: string): boolean };

  /** `held` is the main graph's own table of values: their names are not kept twice. */
  constructor(held: { has(name: string): boolean } = new Set<string>()) {
    this.#held = held;
  }

  /** Records a value name that exists. */
  reserveValue(name: string): void {
    if (name !== '') this.#values.add(name);
  }

  reserveNode(name: string): void {
    if (name !== '') this.#nodes.add(name);
  }

  hasValue(name: string): boolean {
    return this.#values.has(name) || this.#held.has(name);
  }

  /** `hint` when no value has it, else `hint_1`, `hint_2`, ...; the result is reserved. */
  freshValue(hint: string): string {
    const name = this.#fresh((taken) => this.hasValue(taken), hint === '' ? 'v' : hint, 'v');
    this.#values.add(name);
    return name;
  }

  /** `hint` when no node has it, else `hint_1`, ...; the result is reserved. */
  freshNode(hint: string): string {
    const name = this.#fresh((taken) => this.#nodes.has(taken), hint === '' ? 'n' : hint, 'n');
    this.#nodes.add(name);
    return name;
  }

  #fresh(isTaken: (name: string) => boolean, hint: string, kind: string): string {
    if (!isTaken(hint)) return hint;
    const key = `${kind}:${hint}`;
    let count = this.#next.get(key) ?? 1;
    let name = `${hint}_${count}`;
    while (isTaken(name)) name = `${hint}_${++count}`;
    this.#next.set(key, count + 1);
    return name;
  }
}
