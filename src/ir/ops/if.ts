import { op } from './define.js';
import { joinTypes, rule } from './rules.js';

/** If: the outputs of one of two subgraphs. A condition that is known picks the branch whose types count. */
export const If = op({
  name: 'If',
  since: 1,
  infer: rule((node, ctx) => {
    const condition = ctx.ints(0)?.[0];
    const yes = ctx.subgraph('then_branch', []);
    const no = ctx.subgraph('else_branch', []);
    const types = node.outputs.map((_, k) => {
      if (typeof condition === 'number') return (condition !== 0 ? yes : no)?.[k] ?? null;
      return joinTypes(yes?.[k] ?? null, no?.[k] ?? null);
    });
    return { types };
  }),
});
