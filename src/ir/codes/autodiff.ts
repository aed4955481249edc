import { defineCode } from '../diagnostics.js';

/** Diagnostics 42xx (gradients). */

export const noGradient = defineCode<{ path: readonly string[]; op: string; because: string }>({
  code: 'LOTR4201',
  severity: 'error',
  title: 'an op on the gradient path cannot be differentiated',
  explain:
    'Training needs the gradient of every op between the lowest adapter and the loss. This one has no gradient rule, ' +
    'or its rule does not cover the form in which the model uses it. lotrc never puts zero in place of a gradient ' +
    'that it does not know. Adapt only layers whose results do not pass through the node: those behind it, nearer the ' +
    'output (--target, --layers). Or export the model so that the op is expressed by ordinary ones.',
  make: ({ path, op, because }) => ({
    message: `cannot differentiate ${op}: ${because}`,
    at: { kind: 'node', path, op },
    hint: 'adapt only layers behind this node, nearer the output (--layers, --target), or export the model without this op',
  }),
});
