import { dtypeFromOnnx } from '../../ir/dtype.js';
import type { Node, Value } from '../../ir/model.js';
import { constantOf, constantScalar } from '../../ir/ops/core/gradient.js';
import { constantVector } from '../../ir/ops/core/gradient-shape.js';
import { allOpDefs, declaredOp } from '../../ir/ops/index.js';
import { sameShape } from '../../ir/shape.js';
import { declines, type Rule } from './rule.js';

const input = (node: Node): Value | null => node.inputs[0] ?? null;
const producer = (value: Value | null): Node | null => value?.producer ?? null;

/** Identity(x) = x */
const identity: Rule = {
  name: 'identity',
  roots: ['Identity'],
  apply: (node) => {
    const x = input(node);
    return x ? { becomes: x } : declines('it reads nothing');
  },
};

/** Transpose(x, 0..n-1) = x */
const transposeIdentity: Rule = {
  name: 'transpose-identity',
  roots: ['Transpose'],
  apply: (node) => {
    const perm = permOf(node);
    const x = input(node);
    return x && perm?.every((axis, i) => axis === i) ? { becomes: x } : declines('it moves an axis', node);
  },
};

/** Transpose(Transpose(x, p), q) = x when p then q moves every axis back */
const transposePair: Rule = {
  name: 'transpose-pair',
  roots: ['Transpose'],
  apply: (node) => {
    const inner = producer(input(node));
    if (inner?.opKey !== 'Transpose') return declines('its input is not a Transpose', node);
    const [p, q] = [permOf(inner), permOf(node)];
    const x = input(inner);
    const back = p && q && p.length === q.length && q.every((axis, i) => p[axis] === i);
    return x && back ? { becomes: x } : declines('together they move an axis', inner);
  },
};

/** Cast(x, type of x) = x */
const castSame: Rule = {
  name: 'cast-same',
  roots: ['Cast'],
  apply: (node) => {
    const x = input(node);
    const to = node.attrs.get('to');
    if (x?.type?.kind !== 'tensor') return declines('the type of its input is unknown', node);
    const same = to?.kind === 'int' && dtypeFromOnnx(Number(to.value)) === x.type.dtype;
    return same ? { becomes: x } : declines('it changes the type', node);
  },
};

/** Reshape(Reshape(x, s), t) = Reshape(x, t) when t copies no extent (no 0) */
const reshapePair: Rule = {
  name: 'reshape-pair',
  roots: ['Reshape'],
  apply: (node) => {
    const inner = producer(input(node));
    if (inner?.opKey !== 'Reshape') return declines('its input is not a Reshape', node);
    const target = node.inputs[1] ? constantVector(node.inputs[1]) : null;
    if (!target || target.includes(0)) return declines('its target is computed or copies an extent', node);
    const x = input(inner);
    return x ? { reads: x } : declines('it reads nothing', inner);
  },
};

/** Neg(Neg(x)) = x, Not(Not(x)) = x: exact for every value, NaN and -0 included */
const involution: Rule = {
  name: 'involution',
  roots: ['Neg', 'Not'],
  apply: (node) => {
    const inner = producer(input(node));
    const x = inner?.opKey === node.opKey ? input(inner) : null;
    return x
      ? { becomes: x }
      : declines(`its input is not ${/^[AEIOU]/.test(node.op) ? 'an' : 'a'} ${node.op}`, node);
  },
};

/** x * 1 = 1 * x = x / 1 = x, x - 0 = x: exact; x + 0 is left alone because -0 + 0 is 0 */
const neutral: Rule = {
  name: 'neutral-constant',
  roots: allOpDefs().flatMap(({ name, neutral }) => (neutral === undefined ? [] : [name])),
  apply: (node) => {
    const { neutral: wanted, traits } = declaredOp(node.opKey)!;
    const sides = traits?.includes('commutative') ? [1, 0] : [1];
    for (const side of sides) {
      const constant = node.inputs[side];
      const x = node.inputs[1 - side];
      const value = constant ? constantScalar(constant) : null;
      if (!x || !Object.is(value, wanted)) continue;
      // a constant of higher rank would give its rank to the result
      if ((constantOf(constant!)?.shape.length ?? 0) === 0 || keepsShape(x, node)) return { becomes: x };
    }
    return declines(`no operand is the constant ${wanted}`, node);
  },
};

/** Dropout without training mode returns its input; its mask must be unused */
const dropout: Rule = {
  name: 'dropout-inference',
  roots: ['Dropout'],
  apply: (node) => {
    const x = input(node);
    const training = node.inputs[2] ? constantOf(node.inputs[2]) : null;
    const off = !node.inputs[2] || training?.bytes()[0] === 0;
    const mask = node.outputs[1];
    if (!x || !off) return declines('it may be in training mode', node);
    if (mask && (mask.uses.size > 0 || mask.isOutput)) return declines('its mask is read', mask);
    return { becomes: x };
  },
};

/** Squeeze(Unsqueeze(x, a), a) = x */
const squeezePair: Rule = {
  name: 'squeeze-pair',
  roots: ['Squeeze'],
  apply: (node) => {
    const inner = producer(input(node));
    if (inner?.opKey !== 'Unsqueeze') return declines('its input is not an Unsqueeze', node);
    const [a, b] = [axesOf(node), axesOf(inner)];
    const x = input(inner);
    const same = a && b && a.length === b.length && [...a].sort().join() === [...b].sort().join();
    return x && same ? { becomes: x } : declines('they name different axes', inner);
  },
};

function permOf(node: Node): readonly number[] | null {
  const perm = node.attrs.get('perm');
  if (perm?.kind === 'ints') return perm.value.map(Number);
  const type = input(node)?.type;
  const rank = type?.kind === 'tensor' ? type.shape?.length : undefined;
  return rank === undefined ? null : Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

function axesOf(node: Node): readonly number[] | null {
  const attr = node.attrs.get('axes');
  if (attr?.kind === 'ints') return attr.value.map(Number);
  return node.inputs[1] ? constantVector(node.inputs[1]) : null;
}

function keepsShape(x: Value, node: Node): boolean {
  const [a, b] = [x.type, node.outputs[0]?.type];
  return a?.kind === 'tensor' && b?.kind === 'tensor' && a.shape && b.shape && sameShape(a.shape, b.shape)
    ? a.shape.every((dim) => dim !== null)
    : false;
}

export const RULES: readonly Rule[] = [
  identity,
  transposeIdentity,
  transposePair,
  castSame,
  reshapePair,
  involution,
  neutral,
  dropout,
  squeezePair,
];
