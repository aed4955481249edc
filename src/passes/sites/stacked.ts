import { attrText } from '../../ir/attr.js';
import { constantData } from '../../ir/constants.js';
import type { Node, Value } from '../../ir/model.js';
import { declaredOp, weightStep } from '../../ir/ops/index.js';

/**
 * Stacked weights: matrices of several experts in one tensor (experts, rows, columns), of which a product takes those that
 * a Gather picked, or all at once. An adapter is added to the matrix itself, as PEFT's `target_parameters` does it: taken
 * apart, a stack is a Concat of matrices that are layers each, an Identity for the weight without the adapter.
 */
export const MATRIX = 'Identity';

/** How the matrices of a stack are read: (in, out) or (out, in); null when no product reads them. */
export type StackLayout = 'io' | 'oi';

/** The matrix of a stack that was taken apart, if a node delivers one: how its rows and columns are read. */
export function stackMember(node: Node): StackLayout | null {
  if (node.opKey !== MATRIX || node.outputs.length !== 1) return null;
  const unsqueeze = onlyUse(node.outputs[0]!, 'Unsqueeze');
  const concat = unsqueeze && onlyUse(unsqueeze.outputs[0]!, 'Concat');
  const axis = concat?.attrs.get('axis');
  if (!concat || axis?.kind !== 'int' || Number(axis.value) !== 0) return null;
  const alike = concat.inputs.every((input) => {
    const from = input?.producer;
    return from?.opKey === 'Unsqueeze' && from.inputs[0]?.producer !== null;
  });
  return alike ? stackLayout(concat.outputs[0]!) : null;
}

/** The node of an op that alone reads a value. */
function onlyUse(value: Value, op: string): Node | null {
  const [use] = value.uses;
  return value.uses.size === 1 && !value.isOutput && use!.node.opKey === op ? use!.node : null;
}

/** How products read the matrices of a stack (several, rows, columns), by the first that does. */
export function stackLayout(stack: Value): StackLayout | null {
  const seen = new Map<Value, boolean>([[stack, false]]);
  for (const [value, flipped] of seen) {
    for (const { node, index } of value.uses) {
      const read = readsMatrices(node, index);
      if (read) return (read === 'io') !== flipped ? 'io' : 'oi';
      const next = passes(node, index);
      if (next !== null) seen.set(node.outputs[0]!, flipped !== next);
    }
  }
  return null;
}

function readsMatrices(node: Node, index: number): StackLayout | null {
  const set = (name: string) => {
    const attr = node.attrs.get(name);
    return attr?.kind === 'int' && Number(attr.value) !== 0;
  };
  if (node.opKey === 'Einsum') return einsumReads(node, index);
  const linear = declaredOp(node.opKey)?.linear;
  if (linear?.form !== 'product' || linear.keeps) return null;
  if (index === 1) return set('transB') ? 'oi' : 'io';
  return index === 0 ? (set('transA') ? 'io' : 'oi') : null;
}

/** The equation of an Einsum without spaces, and in it the letters of the operands and of the result. */
export function equationOf(node: Node): {
  readonly text: string;
  readonly operands: readonly string[];
  readonly result: string;
} {
  const held = node.attrs.get('equation');
  const text = held?.kind === 'string' ? attrText(held.value).replaceAll(/\s/g, '') : '';
  const [left = '', result = ''] = text.split('->');
  return { text, operands: left.split(','), result };
}

/** An Einsum over several matrices: the letter that is summed is their input. */
function einsumReads(node: Node, index: number): StackLayout | null {
  const { operands, result } = equationOf(node);
  const own = operands[index] ?? '';
  const other = operands[1 - index] ?? '';
  if (operands.length !== 2 || !/^[A-Za-z]{3}$/.test(own)) return null;
  const [stack, first, second] = own as unknown as [string, string, string];
  if (!result.includes(stack) || !other.includes(stack)) return null;
  const summed = (letter: string) => other.includes(letter) && !result.includes(letter);
  const kept = (letter: string) => !other.includes(letter) && result.includes(letter);
  if (summed(first) && kept(second)) return 'io';
  return summed(second) && kept(first) ? 'oi' : null;
}

/** Whether matrices come out of a node as they went in (false) or transposed (true); null when they do not. */
function passes(node: Node, index: number): boolean | null {
  if (index !== 0) return null;
  const step = weightStep(node);
  if (step === 'same' || step === 'cast') return false;
  if (step === 'transpose') {
    const perm = node.attrs.get('perm');
    const order = perm?.kind === 'ints' ? perm.value.map(Number).join() : '';
    return order === '0,2,1' ? true : order === '0,1,2' ? false : null;
  }
  switch (node.opKey) {
    case 'Gather': {
      const axis = node.attrs.get('axis');
      return axis?.kind !== 'int' || Number(axis.value) === 0 ? false : null;
    }
    case 'GatherND': {
      const batch = node.attrs.get('batch_dims');
      return batch?.kind !== 'int' || Number(batch.value) === 0 ? false : null;
    }
    default:
      return null;
  }
}

/** The extents of a stack of at least two matrices that is stored in floats; null for any other value. */
export function stackExtents(value: Value): readonly [count: number, rows: number, columns: number] | null {
  const data = constantData(value);
  if (data?.shape.length !== 3) return null;
  const [count, rows, columns] = data.shape as [number, number, number];
  return count > 1 && rows > 1 && columns > 1 ? [count, rows, columns] : null;
}
