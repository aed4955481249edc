import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { productOf } from './dims.js';
import { fromIndex, nd } from './nd.js';
import { need, one, rule, tensorAt } from './rules.js';
import { ndOf } from './tensor-values.js';

/** NonZero: the indices of all elements that are not zero, one column each. Their number depends on the data. */
export const NonZero = op({
  name: 'NonZero',
  since: 9,
  traits: ['pure'],
  infer: rule((node, ctx) => {
    const shape = tensorAt(ctx, 0)?.shape;
    // older exporters count with NonZero(ConstantOfShape(1)): every element is found
    const source = node.inputs[0]?.producer;
    const fill = source?.is('ConstantOfShape') ? attrsOf(source).value : undefined;
    const all = fill !== undefined && ndOf(fill)?.data[0] !== 0;
    return one('i64', [shape?.length ?? null, all && shape ? productOf(shape) : null]);
  }),
  value: (_, inputs) => {
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
  stopsGradient: true,
});
