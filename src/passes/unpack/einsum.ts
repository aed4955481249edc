import { attrInts } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';
import type { Origins } from '../sites/constant.js';

/**
 * MatMul in place of an Einsum that multiplies the last axis of one operand by a stored matrix, such as
 * `bsi,io->bso` and `...i,oi->...o`, in either order of the operands.
 */
export function unpackEinsum(b: GraphBuilder, node: Node, origins: Origins): readonly Value[] | null {
  const held = node.attrs.get('equation');
  if (held?.kind !== 'string' || node.inputs.length !== 2) return null;
  const found = asProduct(new TextDecoder().decode(held.value));
  if (!found) return null;
  const weight = node.inputs[found.weight];
  const x = node.inputs[1 - found.weight];
  if (!x || !weight || origins.isConstant(x) || origins.stored(weight)?.data.shape.length !== 2) return null;
  const [output] = node.outputs;
  const matrix = found.turned
    ? b.one('Transpose', [weight], { perm: attrInts([1, 0]) }, `${weight.name}/turned`)
    : weight;
  return b.node('MatMul', [x, matrix], {}, { name: node.name, outputs: [`${output!.name}/product`] });
}

interface Product {
  /** which operand is the matrix */
  readonly weight: 0 | 1;
  /** the matrix is (out, in) */
  readonly turned: boolean;
}

/** Reads an equation as x W; null for any other. The first reading that fits counts. */
export function asProduct(equation: string): Product | null {
  const [left, right, more] = equation.replaceAll(/\s/g, '').split('->');
  const operands = left?.split(',') ?? [];
  if (operands.length !== 2 || right === undefined || more !== undefined) return null;
  for (const weight of [1, 0] as const) {
    const matrix = operands[weight]!;
    const x = operands[1 - weight]!;
    if (!/^[A-Za-z]{2}$/.test(matrix) || !/^(\.\.\.)?[A-Za-z]+$/.test(x)) continue;
    const inn = x.at(-1)!;
    const rows = x.slice(0, -1);
    const turned = matrix[1] === inn;
    const out = turned ? matrix[0]! : matrix[1]!;
    const letters = [...x.replace('...', ''), out];
    const plain = matrix.includes(inn) && out !== inn && new Set(letters).size === letters.length;
    if (plain && right === rows + out) return { weight, turned };
  }
  return null;
}
