import { dtypeFromText } from '../dtype.js';
import { castInts } from './cast.js';
import { op } from './define.js';
import { attrs, one, rule, tensorAt } from './rules.js';

/** Cast before version 6: the element type is a word ("FLOAT"). */
export const CastV1 = op({
  name: 'Cast',
  since: 1,
  until: 5,
  traits: ['pure', 'elementwise'],
  infer: rule((node, ctx) => {
    const { to } = attrs(node, ctx);
    const dtype = typeof to === 'string' ? dtypeFromText(to.toLowerCase()) : null;
    return one(dtype, tensorAt(ctx, 0)?.shape ?? null, dtype && castInts(ctx.ints(0), dtype));
  }),
});
