import { op } from './define.js';
import { detVjp } from './gradients/det.js';
import { nd } from './nd.js';
import { mustAgree, need, one, rankIn, rule, tensorAt } from './rules.js';

/** Det: the determinants of the matrices in the last two dimensions. */
export const Det = op({
  name: 'Det',
  since: 11,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    rankIn(node, x?.shape, 2, Number.POSITIVE_INFINITY, 'the input');
    if (x?.shape) mustAgree(node, x.shape.at(-1), x.shape.at(-2), 'rows and columns');
    return one(x?.dtype, x?.shape?.slice(0, -2) ?? null);
  }),
  value: (_, inputs) => {
    const x = need(inputs, 0);
    const n = x.shape.at(-1)!;
    const shape = x.shape.slice(0, -2);
    const count = shape.reduce((a, b) => a * b, 1);
    return [
      nd(
        shape,
        Array.from({ length: count }, (_, i) => determinant(x.data.slice(i * n * n, (i + 1) * n * n), n)),
      ),
    ];
  },
  vjp: detVjp,
});

/** By elimination with the largest pivot of each column; `m` (n, n) is used up. */
function determinant(m: Float64Array, n: number): number {
  let product = 1;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(m[i * n + k]!) > Math.abs(m[pivot * n + k]!)) pivot = i;
    if (m[pivot * n + k] === 0) return 0;
    if (pivot !== k) {
      product = -product;
      for (let j = 0; j < n; j++) [m[k * n + j], m[pivot * n + j]] = [m[pivot * n + j]!, m[k * n + j]!];
    }
    product *= m[k * n + k]!;
    for (let i = k + 1; i < n; i++) {
      const ratio = m[i * n + k]! / m[k * n + k]!;
      for (let j = k; j < n; j++) m[i * n + j]! -= ratio * m[k * n + j]!;
    }
  }
  return product;
}
