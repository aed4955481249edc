import { defineOp } from './define.js';
import { fromIndex, nd } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';

/** NonZero: the indices of all elements that are not zero, one column each. Their number depends on the data. */
export const nonZero = defineOp({
  name: 'NonZero',
  since: 9,
  traits: ['pure'],
  infer: rule((_, ctx) => one('i64', [tensorAt(ctx, 0)?.shape?.length ?? null, null])),
  evaluate: (_, inputs) => {
    const x = need(inputs, 0);
    const columns: number[][] = [];
    let flat = 0;
    fromIndex(x.shape, (index) => {
      if (x.data[flat++] !== 0) columns.push([...index]);
      return 0;
    });
    return [
      nd(
        [x.shape.length, columns.length],
        x.shape.flatMap((__, k) => columns.map((column) => column[k]!)),
      ),
    ];
  },
});
