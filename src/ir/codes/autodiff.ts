import { defineCode } from '../diagnostics.js';

/** Diagnostics 42xx (gradients). */

export const noGradient = defineCode<{ path: readonly string[]; op: string; because: string }>({
  code: 'LOTR4201',
  severity: 'error',
  title: 'an op on the gradient path cannot be differentiated',
  explain:
    'Training needs the gradient of every op between the lowest adapter and the loss. This one has no gradient rule, ' +
    'or its rule does not cover the form in which the model uses it. lotrc never puts zero in place of a gradient ' +
    'that it does not know. Adapt only layers whose results do not pass through the node: those between it and the ' +
    'output (--target, --layers). Or export the model so that the op is expressed by ordinary ones.',
  make: ({ path, op, because }) => ({
    message: `cannot differentiate ${op}: ${because}`,
    at: { kind: 'node', path, op },
    hint: 'adapt only layers between this node and the output (--layers, --target), or export the model without this op',
  }),
});

export const pastCache = defineCode<{ path: readonly string[]; op: string; count: number }>({
  code: 'LOTR4202',
  severity: 'error',
  title: 'the model continues a cache of past keys and values',
  explain:
    'Attention reads keys and values of earlier runs from inputs of the model, as decoding token by token does. They ' +
    'were computed with the same layers, so a gradient that takes them for constants leaves out what the adapters did ' +
    'to them. Train on the model exported without such inputs (use_cache=False, the prefill form). Adapters in a model ' +
    'with a cache run, merge and export like any others.',
  make: ({ path, op, count }) => ({
    message: `cannot train through ${count} attention node${count === 1 ? '' : 's'} that continue${count === 1 ? 's' : ''} a cache of past keys and values`,
    at: { kind: 'node', path, op },
    hint: 'export the model without past keys and values to train it',
  }),
});

export const controlFlow = defineCode<{ path: readonly string[]; op: string }>({
  code: 'LOTR4203',
  severity: 'error',
  title: 'the gradient would pass through a loop',
  explain:
    'Adapters inside the body of a Loop, or before one, work when the model is run, merged or exported. Training graphs do ' +
    'not differentiate through a Loop, whose number of rounds may depend on its own results, nor through Scan of operator ' +
    'set 8. They do differentiate through If and through Scan. Adapt only layers after the node, or export the model with ' +
    'the loop unrolled.',
  make: ({ path, op }) => ({
    message: `cannot train through ${op}: adapted layers come before it or are inside it`,
    at: { kind: 'node', path, op },
    hint: 'adapt only layers after this node (--target, --exclude), or export with the loop unrolled',
  }),
});

export const straightThrough = defineCode<{ path: readonly string[]; op: string; count: number }>({
  code: 'LOTR4204',
  severity: 'remark',
  title: 'gradients pass straight through rounding',
  explain:
    'The model rounds activations to integers between what is trained and the loss. Rounding has no useful derivative: it is ' +
    '0 almost everywhere. Gradients pass through it as if it were the identity, the straight-through estimator of ' +
    'quantisation-aware training; where a value was cut off at the end of the range the gradient is 0. The training graphs ' +
    'compute with the rounded values, so loss and results are those of the model as it is.',
  make: ({ path, op, count }) => ({
    message: `gradients pass straight through the rounding of ${count} ${op} node${count === 1 ? '' : 's'}`,
    at: { kind: 'node', path, op },
    hint: 'training the model as it was before its activations were quantised gives exact gradients',
  }),
});
