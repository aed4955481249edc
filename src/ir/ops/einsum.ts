import { attrString, attrText } from '../attr.js';
import type { Dim } from '../shape.js';
import { attrsOf } from './core/attrs.js';
import { op } from './core/define.js';
import type { Vjp } from './core/gradient.js';
import { fromIndex } from './core/nd.js';
import { attrs, mustAgree, need, one, rankIn, rule, tensorAt } from './core/rules.js';

/** Letters of the operands and of the result; null with an ellipsis. Without an arrow: all letters that occur once, sorted. */
function parse(equation: string): { readonly operands: readonly string[]; readonly result: string } | null {
  const text = equation.replaceAll(' ', '');
  if (text.includes('.')) return null;
  const [left, right] = text.split('->');
  const operands = left!.split(',');
  const all = [...operands.join('')];
  const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  return { operands, result: right ?? once.join('') };
}

/**
 * Einsum of one or two operands without repeated letters in an operand: the gradient of an operand is the einsum of
 * the output's gradient with the other operand. Ellipses, repeated letters and letters that only one operand has
 * (sums inside it) are refused.
 */
const einsumVjp: Vjp = (b, node, [dy]) => {
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

/** Einsum without ellipsis: products of the operands summed over the letters that the result does not have. */
export const Einsum = op({
  name: 'Einsum',
  since: 12,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const dtype = tensorAt(ctx, 0)?.dtype;
    const parts = parse(attrs(node, ctx).equation);
    if (!parts) return one(dtype, null);
    const extents = new Map<string, Dim>();
    for (const [i, letters] of parts.operands.entries()) {
      const shape = tensorAt(ctx, i)?.shape;
      rankIn(node, shape, letters.length, letters.length, `operand ${i}`);
      for (const [k, letter] of [...letters].entries()) {
        const dim = shape?.[k] ?? null;
        mustAgree(node, extents.get(letter), dim, `extent ${letter}`);
        if (typeof extents.get(letter) !== 'number') extents.set(letter, dim ?? extents.get(letter) ?? null);
      }
    }
    return one(
      dtype,
      [...parts.result].map((letter) => extents.get(letter) ?? null),
    );
  }),
  value: (node, inputs) => {
    const parts = parse(attrsOf(node).equation);
    if (!parts) throw new Error('Einsum with an ellipsis has no reference');
    const extents = new Map<string, number>();
    for (const [i, letters] of parts.operands.entries()) {
      for (const [k, letter] of [...letters].entries()) extents.set(letter, need(inputs, i).shape[k]!);
    }
    const summed = [...extents.keys()].filter((letter) => !parts.result.includes(letter));
    const letters = [...parts.result, ...summed];
    return [
      fromIndex(
        [...parts.result].map((letter) => extents.get(letter)!),
        (outer) => {
          let total = 0;
          fromIndex(
            summed.map((letter) => extents.get(letter)!),
            (inner) => {
              const index = [...outer, ...inner];
              total += parts.operands.reduce((term, own, i) => {
                const x = need(inputs, i);
                const flat = [...own].reduce(
                  (at, letter, k) => at * x.shape[k]! + index[letters.indexOf(letter)]!,
                  0,
                );
                return term * x.data[flat]!;
              }, 1);
              return 0;
            },
          );
          return total;
        },
      ),
    ];
  },
  vjp: einsumVjp,
  cases: [
    { inputs: ['float[2,3,4]', 'float[2,4,5]'], attrs: { equation: 'bij,bjk->bik' } },
    { inputs: ['float[3,4]', 'float[3,4]'], attrs: { equation: 'ij,ij' }, gradient: [] },
  ],
});
