import { badlyTyped, declaredContradiction } from '../ir/codes/shapes.js';
import { type Diagnostic, fail } from '../ir/diagnostics.js';
import { type DType, dtypeText } from '../ir/dtype.js';
import { type Graph, type Model, type Node, nodePath, type Value } from '../ir/model.js';
import { nodeOpset } from '../ir/ops/core/attrs.js';
import { type InputTypes, inputTypesOf } from '../ir/ops/core/input-types.js';
import type { ValueType } from '../ir/shape.js';
import { analyse, type CallTypes } from './infer-shapes.js';
import { calledBy } from './inline/inline.js';

/** A node whose inputs have element types that its operator does not take together. */
interface TypeFault {
  readonly node: Node;
  readonly why: string;
}

/**
 * Checks a model that is about to be written: shape and type inference finds no contradiction, and the inputs of every node
 * have element types that the operator's schema allows together. `original` gives the model that it was made from, which is
 * only read when something is found: what was wrong there already is not a fault of the rewrite. Throws LOTR4105.
 */
export function requireTyped(model: Model, original: () => Model | null): void {
  const found = faultsOf(model);
  if (found.length === 0) return;
  const source = original();
  const before = new Set((source ? faultsOf(source) : []).map(({ text }) => text));
  const shapesWereWrong = before.size > 0;
  const fault = found.find(({ text, shape }) => !before.has(text) && !(shape && shapesWereWrong));
  if (fault) fail(badlyTyped({ path: fault.path, op: fault.op, why: fault.text }));
}

/** As {@link requireTyped} for element types alone, of a graph whose values have the types that `inferShapes` gave them. */
export function requireElementTypes(model: Model, original: () => Model): void {
  const [fault] = typeFaults(model, { types: new Map(), calls: new Map() });
  if (!fault) return;
  requireTyped(original(), () => null);
  fail(badlyTyped({ path: nodePath(fault.node), op: fault.node.opKey, why: fault.why }));
}

interface Fault {
  readonly path: readonly string[];
  readonly op: string;
  readonly text: string;
  /** found by inference of shapes, which declarations that are wrong in the file mislead */
  readonly shape: boolean;
}

function faultsOf(model: Model): readonly Fault[] {
  const inference = analyse(model);
  const types = typeFaults(model, inference).map(
    ({ node, why }): Fault => ({ path: nodePath(node), op: node.opKey, text: why, shape: false }),
  );
  // another declaration than what follows from the graph is not a fault: runtimes take the latter
  const shapes = inference.diagnostics
    .filter(({ code }) => code !== declaredContradiction.code)
    .map((diagnostic): Fault => ({ ...placeOf(diagnostic), text: diagnostic.message, shape: true }));
  return [...types, ...shapes];
}

function placeOf({ at }: Diagnostic): { readonly path: readonly string[]; readonly op: string } {
  return at?.kind === 'node' ? { path: at.path, op: at.op } : { path: [], op: '' };
}

/** Faults of element types in the main graph, the graphs nested in it, and the functions that it calls. */
function typeFaults(model: Model, inference: CallTypes): readonly TypeFault[] {
  const found: TypeFault[] = [];
  check(model.graph, inference, found);
  const seen = new Set<CallTypes>();
  const stack = [...inference.calls];
  for (let call = stack.pop(); call; call = stack.pop()) {
    const [node, body] = call;
    if (seen.has(body)) continue;
    seen.add(body);
    const fn = calledBy(model, node);
    if (fn) check(fn.graph, body, found);
    stack.push(...body.calls);
  }
  return found;
}

function check(graph: Graph, { types }: CallTypes, found: TypeFault[]): void {
  const typeOf = (value: Value): ValueType | null => types.get(value) ?? value.type;
  // nodes of a graph and of those in it are written in one set of operators
  const known = new Map<string, InputTypes | null>();
  const stack = [graph];
  for (let at = stack.pop(); at; at = stack.pop()) {
    for (const node of at.nodes) {
      const { opKey } = node;
      let wanted = known.get(opKey);
      if (wanted === undefined) {
        wanted = inputTypesOf(opKey, nodeOpset(node)) ?? null;
        known.set(opKey, wanted);
      }
      const why = wanted && faultOf(node, wanted, typeOf);
      if (why !== null) found.push({ node, why });
      stack.push(...node.subgraphs());
    }
  }
}

/** Says which inputs of a node differ in element type; null when nothing is known to be wrong. */
function faultOf(node: Node, wanted: InputTypes, typeOf: (value: Value) => ValueType | null): string | null {
  const { inputs } = node;
  const dtypeAt = (index: number): DType | null => {
    const value = inputs[index];
    const type = value && typeOf(value);
    return type?.kind === 'tensor' ? type.dtype : null;
  };
  const name = (index: number): string => `"${inputs[index]!.name}" is ${dtypeText(dtypeAt(index)!)}`;
  for (const group of wanted.groups) {
    const count = group === 'all' ? inputs.length : group.length;
    let first = -1;
    for (let k = 0; k < count; k++) {
      const index = group === 'all' ? k : group[k]!;
      const dtype = dtypeAt(index);
      if (!dtype) continue;
      if (first < 0) first = index;
      else if (dtype !== dtypeAt(first))
        return `${node.op} takes one element type: ${name(first)} and ${name(index)}`;
    }
  }
  for (const { input, dtype } of wanted.fixed) {
    const found = dtypeAt(input);
    if (found && found !== dtype) return `${node.op} takes ${dtypeText(dtype)} there: ${name(input)}`;
  }
  return null;
}
