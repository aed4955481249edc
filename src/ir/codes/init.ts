import { defineCode } from '../diagnostics.js';

/** Diagnostics 34xx (initial values of factors). */

export const badInit = defineCode<{ text: string; why: string; hint: string }>({
  code: 'LOTR3401',
  severity: 'error',
  title: 'the initialisation is not understood',
  explain:
    '--init takes a preset (normal, fan-in, svd-factors, svd, pissa, olora, loftq, eva, difference, zeros, default), forms of single factors ' +
    '(R=svd,M=zeros,L=fan-in), or a preset followed by such forms. Forms are zeros, eye, normal or normal(SD), fan-in ' +
    'or fan-in(GAIN), svd and qr. See docs/init.md.',
  make: ({ text, why, hint }) => ({ message: `--init ${text}: ${why}`, hint }),
});

export const startDiffers = defineCode<{ method: string; init: string }>({
  code: 'LOTR3402',
  severity: 'error',
  title: 'the adapted model would differ from the base before any training',
  explain:
    'Before training, an adapted model computes what the base computes: one factor of each adapter must be zero, or ' +
    'the adapter must be subtracted from the base weight, which `--init svd` does. This initialisation does neither, so the first ' +
    'outputs would be those of the base plus noise.',
  make: ({ method, init }) => ({
    message: `with ${init}, ${method} has no factor that is zero before training`,
    hint: 'let one factor be zeros (M for lotr, B for lora), or use --init svd, which changes the base weights to match',
  }),
});

export const svdWeight = defineCode<{ site: string; why: string }>({
  code: 'LOTR3403',
  severity: 'error',
  title: 'the weights of a layer cannot be decomposed',
  explain:
    'svd and svd-factors start from the weights themselves, which must be stored in the model as finite floating-point ' +
    'matrices of the shape of the layer. Quantised weights and weights that are computed while the model runs have no ' +
    'such matrix.',
  make: ({ site, why }) => ({
    message: `cannot start the adapter of "${site}" from its weight: ${why}`,
    hint: 'use --init fan-in, which needs no weights, or leave the layer out with --exclude',
  }),
});

export const svdRank = defineCode<{ group: string; rank: number; limit: number }>({
  code: 'LOTR3404',
  severity: 'error',
  title: 'the rank exceeds the number of singular vectors',
  explain:
    'A matrix of n x m has min(n, m) pairs of singular vectors, so factors that are made of them cannot have a larger ' +
    'rank.',
  make: ({ group, rank, limit }) => ({
    message: `group ${group} has rank ${rank}, and its weights have ${limit} pairs of singular vectors`,
    hint: `use a rank of at most ${limit}, or another --init`,
  }),
});

export const normalScale = defineCode<{ method: string; scale: number }>({
  code: 'LOTR3405',
  severity: 'warning',
  title: 'factors of unit variance with a large scale are likely to diverge',
  explain:
    'With N(0, 1) factors the first step of training is multiplied by about the square root of the width of the layer. ' +
    'In the experiments of the LoTR authors scales of 0.1 to 0.5 worked best with them, scales of 8 and more lost ' +
    'accuracy, and 16 and more failed at ranks from 96 on.',
  make: ({ method, scale }) => ({
    message: `${method} with N(0, 1) factors and scale ${scale} is likely to diverge in training`,
    hint: 'use --init fan-in (scale of the order of the rank), or a scale of 0.1 to 0.5',
  }),
});

export const nothingLearns = defineCode<{ factors: readonly string[] }>({
  code: 'LOTR3406',
  severity: 'warning',
  title: 'several factors are zero, so no gradient reaches any of them',
  explain:
    'The gradient of one factor contains the product of the others. With two or more factors at zero all gradients are ' +
    'zero and training cannot begin. Such an adapter is useful only as a template to be filled with other values.',
  make: ({ factors }) => ({
    message: `factors ${factors.join(', ')} are all zero at the start: training cannot begin`,
    hint: 'let exactly one factor be zeros',
  }),
});

export const initForm = defineCode<{ factor: string; form: string; why: string }>({
  code: 'LOTR3407',
  severity: 'error',
  title: 'a factor cannot have this initial form',
  explain:
    'Singular vectors of the input side fit only a factor that reads the input, those of the output side only one that ' +
    'gives the output, and the core only a factor between the two that belongs to one layer.',
  make: ({ factor, form, why }) => ({
    message: `factor ${factor} cannot start as ${form}: ${why}`,
    hint: 'docs/init.md lists the forms that each factor may have',
  }),
});

export const residualRefused = defineCode<{ site: string; why: string }>({
  code: 'LOTR3408',
  severity: 'error',
  title: 'the adapter cannot be subtracted from the base weight',
  explain:
    'With --init svd the adapter takes over the leading part of the weight, and W - s R M L is stored in its place. ' +
    'That result must be finite in the element type of W.',
  make: ({ site, why }) => ({
    message: `cannot store the rest of the weight of "${site}": ${why}`,
    hint: 'use --init svd-factors, which does not change the base weights',
  }),
});

export const loftqLayer = defineCode<{ site: string; why: string }>({
  code: 'LOTR3409',
  severity: 'error',
  title: 'a layer cannot start by LoftQ',
  explain:
    'With --init loftq, adapters of quantised layers start as what quantising left out of their weights, which the float model ' +
    'that --from names still has. A quantised layer must be a MatMulNBits of 4 or 8 bits, and the float model must have the layer under the ' +
    'same module path, in the same extents, with its weight stored as floats.',
  make: ({ site, why }) => ({
    message: `cannot start the adapter of "${site}" by LoftQ: ${why}`,
    hint: 'leave the layer out with --exclude, or use --init fan-in, which needs no other model',
  }),
});
