import type { Attr } from '../../ir/attr.js';
import { isConstantNode } from '../../ir/constants.js';
import { LotrcError } from '../../ir/diagnostics.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { attrsOf, opVersion } from '../../ir/ops/core/attrs.js';
import type { OpDef } from '../../ir/ops/core/define.js';
import type { Ints } from '../../ir/ops/core/dims.js';
import { intsOf } from '../../ir/ops/core/tensor-values.js';
import { tensorOf } from '../../ir/ops/generators.js';
import { opDef } from '../../ir/ops/index.js';
import { elementCount, staticShape, type ValueType } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';

/** Contents of more elements than this are not followed: a node may double them, thirty times in a row. */
const MAX_INTS = 1 << 16;

/** An operator of one version, as nodes need it. */
interface Operator {
  readonly def: OpDef | undefined;
  readonly opset: number;
  /** the number of inputs that a node must have */
  readonly fewest: number;
  /** attributes that a node must have */
  readonly required: readonly string[];
}

/** Types of the values of one function body at one call, and of the calls inside it. */
export interface CallTypes {
  readonly types: ReadonlyMap<Value, ValueType>;
  readonly calls: ReadonlyMap<Node, CallTypes>;
}

/**
 * What is known about the values of one scope: the main graph with everything nested in it, or a function body at one
 * call. `attrs` are the attributes that references in a function body resolve to; null in the main graph.
 */
export class Frame implements CallTypes {
  readonly types = new Map<Value, ValueType>();
  readonly calls = new Map<Node, CallTypes>();
  readonly #operators = new Map<string, Operator>();
  readonly #ints = new Map<Value, Ints | null>();
  readonly #constants = new Map<Value, TensorData>();

  constructor(
    readonly opsets: ReadonlyMap<string, number>,
    readonly attrs: ReadonlyMap<string, Attr> | null,
    /** before IR version 4 every initializer had to be an input and was a constant all the same */
    private readonly inputsAreConstant: boolean,
  ) {}

  typeOf(value: Value): ValueType | null {
    return this.types.get(value) ?? value.type;
  }

  setType(value: Value, type: ValueType | null): void {
    if (type) this.types.set(value, type);
    else this.types.delete(value);
  }

  /** Known integer contents; constants are read when first used. */
  intsOf(value: Value): Ints | null {
    const known = this.#ints.get(value);
    if (known !== undefined) return known;
    const data = this.constantOf(value);
    const ints = data ? tryIntsOf(data) : null;
    this.#ints.set(value, ints);
    return ints;
  }

  /** Records contents, unless their number contradicts the type or they are too many to be a shape. */
  setInts(value: Value, ints: Ints | null): void {
    // most values are not shapes: what is not known without an entry needs none
    if (!ints && !this.#ints.has(value) && !this.#mayBeConstant(value)) return;
    if (!ints || ints.length > MAX_INTS) {
      this.#ints.set(value, null);
      return;
    }
    const type = this.typeOf(value);
    const extents = type?.kind === 'tensor' ? staticShape(type.shape) : null;
    this.#ints.set(value, extents && elementCount(extents) === ints.length ? ints : null);
  }

  #mayBeConstant(value: Value): boolean {
    return value.constant !== null || this.#constants.has(value) || isConstantNode(value.producer);
  }

  /** The data of a value that no run can change: an initializer that is not an input, or a Constant node. */
  constantOf(value: Value): TensorData | null {
    const bound = this.#constants.get(value);
    if (bound) return bound;
    if (value.constant) return value.isInput && !this.inputsAreConstant ? null : value.constant;
    const { producer } = value;
    if (!isConstantNode(producer) || value.outputIndex !== 0) return null;
    const resolved = this.resolve(producer);
    return tensorOf(attrsOf(producer, { opset: this.opsetOf(producer), attrs: resolved }));
  }

  bindConstant(value: Value, data: TensorData): void {
    this.#constants.set(value, data);
  }

  /** What is known of a node's operator in the version that it is written in. */
  operatorOf(node: Node): Operator {
    const { opKey } = node;
    let held = this.#operators.get(opKey);
    if (!held) {
      const opset = this.opsetOf(node);
      const version = opVersion(opKey, opset);
      held = {
        def: opDef(node.domain, node.op, opset),
        opset,
        fewest: version?.in[0] ?? 0,
        required: Object.entries(version?.attrs ?? {}).flatMap(([name, row]) => (row.required ? [name] : [])),
      };
      this.#operators.set(opKey, held);
    }
    return held;
  }

  opsetOf(node: Node): number {
    return this.opsets.get(node.domain) ?? (node.domain === '' ? this.opsets.get('ai.onnx') : undefined) ?? 1;
  }

  /** The attributes of a node with references replaced; undefined when it has none. */
  resolve(node: Node): ReadonlyMap<string, Attr> | undefined {
    if (!this.attrs) return undefined;
    let resolved: Map<string, Attr> | undefined;
    for (const [name, attr] of node.attrs) {
      if (attr.kind !== 'ref') continue;
      resolved ??= new Map(node.attrs);
      const value = this.attrs.get(attr.name);
      if (value) resolved.set(name, value);
      else resolved.delete(name);
    }
    return resolved;
  }

  /** The graph that an attribute of the node holds. */
  graphOf(node: Node, attr: string): Graph | null {
    const held = node.attrs.get(attr);
    return held?.kind === 'graph' ? held.value : null;
  }
}

/** Contents of a small integer constant; unreadable data (a missing file) counts as unknown. */
function tryIntsOf(data: TensorData): Ints | null {
  try {
    return intsOf(data);
  } catch (error) {
    if (error instanceof LotrcError) return null;
    throw error;
  }
}
