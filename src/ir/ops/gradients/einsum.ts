import { attrString, attrText } from '../../attr.js';
import type { Vjp } from './vjp.js';

/**
 * Einsum of one or two operands without repeated letters in an operand: the gradient of an operand is the einsum of
 * the output's gradient with the other operand. Ellipses, repeated letters and letters that only one operand has
 * (sums inside it) are refused.
 */
export const einsumVjp: Vjp = (b, node, [dy]) => {
  const attr = node.attrs.get('equation');
  const text = attr?.kind === 'string' ? attrText(attr.value).replaceAll(' ', '') : '';
  const [left, out] = text.split('->');
  const operands = left?.split(',') ?? [];
  const refuse = (because: string) => ({ because: `equation "${text}": ${because}`, at: node });
  if (out === undefined || operands.length > 2 || text.includes('...')) {
    return refuse('only explicit equations of one or two operands without "..." have a rule');
  }
  for (const letters of [...operands, out]) {
    if (new Set(letters).size !== letters.length) return refuse('a letter repeats within an operand');
  }
  for (const [index, letters] of operands.entries()) {
    const others = out + (operands[1 - index] ?? '');
    if ([...letters].some((letter) => !others.includes(letter))) return refuse('it sums within one operand');
  }
  return operands.map((letters, index) => {
    if (!b.wants(index)) return null;
    const other = operands[1 - index];
    const equation = other === undefined ? `${out}->${letters}` : `${out},${other}->${letters}`;
    const inputs = other === undefined ? [dy!] : [dy!, node.inputs[1 - index]!];
    return b.one('Einsum', inputs, { equation: attrString(equation) });
  });
};
