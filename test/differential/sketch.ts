import type { Random } from '../fuzz/random.js';
import {
  type Attrs,
  callKey,
  type ElementType,
  type FunctionBody,
  isFloating,
  type Nd,
  type Net,
  type Op,
  type Port,
  sizeOf,
  whole,
} from './graph.js';
import { runOp, type Scope } from './interpret.js';
import { rounded } from './round.js';

/** A step that cannot be taken here; the generator tries another. */
export class Unsuitable extends Error {}

/** What all graphs of a case share. */
export class World {
  readonly functions = new Map<string, FunctionBody>();
  /** stored matrices, which further layers may read */
  readonly weights: { readonly name: string; readonly value: Nd }[] = [];
  /** types that weights are stored in */
  readonly storage = new Set<ElementType>();
  #count = 0;

  constructor(
    readonly random: Random,
    readonly opset: number,
    readonly dtype: ElementType,
  ) {}

  number(): number {
    return this.#count++;
  }

  /** Numbers of about the size that keeps a product with `inn` of them near 1, in a type. */
  noise(dtype: ElementType, shape: readonly number[], size = 1): Nd {
    const data = Float64Array.from({ length: sizeOf(shape) }, () => {
      const value = (this.random.below(20001) / 10000 - 1) * size || size / 3;
      return rounded(dtype === 'f64' ? value : Math.fround(value), dtype);
    });
    return { dtype, shape: [...shape], data };
  }
}

/** Values beyond it would make differences of rounding large. */
const LARGEST = 64;

/** A graph under construction. Every operator is run when it is added, so shapes and sizes are known. */
export class Sketch {
  readonly scope: Scope;
  readonly ops: Op[] = [];
  readonly stored = new Map<string, Nd>();
  readonly inputs: Port[] = [];
  /** floating-point values that steps may read: those around first */
  readonly pool: string[];

  constructor(
    readonly world: World,
    readonly around: Sketch | null = null,
    /** a function's body sees nothing around it, and stores what it needs in Constant nodes */
    readonly isFunction = false,
  ) {
    this.scope = new Map(isFunction ? [] : (around?.scope ?? []));
    this.pool = isFunction ? [] : [...(around?.pool ?? [])];
  }

  get random(): Random {
    return this.world.random;
  }

  value(name: string): Nd {
    return this.scope.get(name)!;
  }

  /** A new name. */
  name(stem = 'v'): string {
    return `${stem}${this.world.number()}`;
  }

  input(name: string, value: Nd, dims: Port['dims'] = null): string {
    this.inputs.push({ name, dtype: value.dtype, dims });
    this.scope.set(name, value);
    if (isFloating(value.dtype)) this.pool.push(name);
    return name;
  }

  /** A tensor in the file: an initializer, or the output of a Constant node. */
  store(value: Nd, name = this.name('c'), asNode = this.isFunction || this.random.chance(0.15)): string {
    if (asNode) {
      this.add('Constant', [], { value: { kind: 'tensor', value } }, { outputs: [name] });
      return name;
    }
    this.stored.set(name, value);
    this.scope.set(name, value);
    return name;
  }

  wholes(values: readonly number[]): string {
    return this.store(whole(values));
  }

  /** Adds an operator and returns its first result. Throws Unsuitable, leaving nothing behind, where the results would not do. */
  add(
    key: string,
    inputs: readonly string[],
    attrs: Attrs = {},
    options: { readonly name?: string; readonly outputs?: readonly string[]; readonly weight?: number } = {},
  ): string {
    const [domain, op] = key.includes('::') ? (key.split('::') as [string, string]) : ['', key];
    const outputs = options.outputs ?? [this.name()];
    const name = options.name ?? (this.random.chance(0.7) ? this.name('n') : '');
    const { weight } = options;
    const made: Op = {
      domain,
      op,
      name,
      inputs,
      outputs,
      attrs,
      ...(weight === undefined ? {} : { weight }),
    };
    const { functions } = this.world;
    runOp(made, this.scope, { functions, adapters: new Map(), rounding: false, seen: new Set() });
    for (const result of outputs) {
      const value = this.scope.get(result);
      if (!value || !isFloating(value.dtype)) continue;
      if (
        value.data.length > 4096 ||
        value.shape.length > 5 ||
        value.data.some((v) => !(Math.abs(v) <= LARGEST))
      ) {
        throw new Unsuitable(key);
      }
    }
    this.ops.push(made);
    return outputs[0]!;
  }

  /** Runs a step; what it added is taken back when it turns out not to fit. */
  attempt(step: () => string | readonly string[] | null): boolean {
    const length = this.ops.length;
    const stored = new Set(this.stored.keys());
    const weights = this.world.weights.length;
    const functions = new Set(this.world.functions.keys());
    try {
      const made = step();
      if (made !== null) {
        this.pool.push(...(typeof made === 'string' ? [made] : made));
        return true;
      }
    } catch (error) {
      if (!(error instanceof Unsuitable)) throw error;
    }
    this.ops.length = length;
    for (const name of [...this.stored.keys()]) if (!stored.has(name)) this.stored.delete(name);
    this.world.weights.length = weights;
    for (const key of [...this.world.functions.keys()])
      if (!functions.has(key)) this.world.functions.delete(key);
    return false;
  }

  /** A value of the pool, rather a late one, that fits. */
  pick(fits: (value: Nd) => boolean = () => true): string {
    const all = this.pool.filter((name) => fits(this.value(name)));
    if (all.length === 0) throw new Unsuitable('no such value');
    const late = all.slice(-3);
    return this.random.pick(this.random.chance(0.6) ? late : all);
  }

  port(name: string, shown: boolean): Port {
    const { dtype, shape } = this.value(name);
    return { name, dtype, dims: shown ? shape : null };
  }

  net(name: string, outputs: readonly string[], shown = true, declared: readonly Port[] = []): Net {
    const { inputs, ops, stored } = this;
    return {
      name,
      inputs,
      outputs: outputs.map((output) => this.port(output, shown)),
      ops,
      stored,
      declared,
    };
  }

  /** Defines a function with this sketch as its body; returns the operator to call it with. */
  define(name: string, outputs: readonly string[]): string {
    const key = callKey('local', name);
    const inputs = this.inputs.map((port) => port.name);
    this.world.functions.set(key, { domain: 'local', name, inputs, outputs, ops: this.ops });
    return key;
  }
}
