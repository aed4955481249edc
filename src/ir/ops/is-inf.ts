import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { map } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** IsInf: whether x is infinite; the attributes choose the signs that count. */
export const IsInf = op({
  name: 'IsInf',
  since: 10,
  traits: ['pure', 'elementwise'],
  infer: rule((_, ctx) => one('bool', tensorAt(ctx, 0)?.shape ?? null)),
  value: (node, inputs) => {
    const { detect_negative, detect_positive } = attrsOf(node);
    const hit = (x: number): boolean =>
      (x === Number.POSITIVE_INFINITY && detect_positive !== 0) ||
      (x === Number.NEGATIVE_INFINITY && detect_negative !== 0);
    return [map(need(inputs, 0), (x) => (hit(x) ? 1 : 0))];
  },
  stopsGradient: true,
});
