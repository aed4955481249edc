/**
 * The one authority over names. ONNX wants value names unique over a graph and all its subgraphs, so one authority
 * serves the main graph with everything nested in it, and one each function. Names are never given back: a name that
 * an erased node used stays reserved, so no pass can be surprised by a name with a new meaning.
 */
export class Names {
  readonly #values = new Set<string>();
  readonly #nodes = new Set<string>();
  readonly #next = new Map<string, number>();

  /** Records a value name that exists. */
  reserveValue(name: string): void {
    if (name !== '') this.#values.add(name);
  }

  reserveNode(name: string): void {
    if (name !== '') this.#nodes.add(name);
  }

  hasValue(name: string): boolean {
    return this.#values.has(name);
  }

  /** `hint` when no value has it, else `hint_1`, `hint_2`, ...; the result is reserved. */
  freshValue(hint: string): string {
    return this.#fresh(this.#values, hint === '' ? 'v' : hint, 'v');
  }

  /** `hint` when no node has it, else `hint_1`, ...; the result is reserved. */
  freshNode(hint: string): string {
    return this.#fresh(this.#nodes, hint === '' ? 'n' : hint, 'n');
  }

  #fresh(taken: Set<string>, hint: string, kind: string): string {
    let name = hint;
    if (taken.has(name)) {
      const key = `${kind}:${hint}`;
      let count = this.#next.get(key) ?? 1;
      while (taken.has((name = `${hint}_${count}`))) count++;
      this.#next.set(key, count + 1);
    }
    taken.add(name);
    return name;
  }
}
