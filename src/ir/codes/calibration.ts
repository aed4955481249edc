import { defineCode } from '../diagnostics.js';

/** Diagnostics 3030 to 3039: factors that start from data, and from another model. */

export const calibratedLayer = defineCode<{ site: string; why: string }>({
  code: 'LOTR3030',
  severity: 'error',
  title: 'a layer cannot start from data',
  explain:
    'With --init eva, the factor on the input side of a layer starts as the directions in which its inputs differ most over the ' +
    'calibration data. The inputs must be rows of numbers in the main graph of the model, one for each position. Filters of convolutions, ' +
    'matrices of stacked experts and layers in subgraphs have no such inputs.',
  make: ({ site, why }) => ({
    message: `cannot start the adapter of "${site}" from data: ${why}`,
    hint: 'leave the layer out with --exclude, or use --init fan-in, which needs no data',
  }),
});

export const calibrationData = defineCode<{ file: string; why: string; hint: string }>({
  code: 'LOTR3031',
  severity: 'error',
  title: 'the calibration data cannot be used',
  explain:
    'For --init eva, lotrc runs the model on the examples of --calibration and looks at the inputs of its layers. Texts are run in batches of equal length, ' +
    'without padding, since padding would count. There must be more positions than the rank.',
  make: ({ file, why, hint }) => ({
    message: `the calibration data cannot be used: ${why}`,
    at: { kind: 'file', file },
    hint,
  }),
});

export const calibrationMemory = defineCode<{ bytes: number; most: number }>({
  code: 'LOTR3032',
  severity: 'error',
  title: 'a start from data needs too much memory',
  explain:
    'While the model runs on calibration data, lotrc holds some vectors for each layer: about twelve times as many as the rank, as long as the input of the layer. ' +
    'Their number does not depend on the amount of data.',
  make: ({ bytes, most }) => ({
    message: `the vectors of all layers take ${Math.ceil(bytes / 2 ** 20)} MiB, more than ${most / 2 ** 20}`,
    hint: 'give a smaller --rank, or let layers share the factor (--share, --method lotr)',
  }),
});

export const differenceLayer = defineCode<{ site: string; why: string }>({
  code: 'LOTR3033',
  severity: 'error',
  title: 'a layer cannot start as the difference of two models',
  explain:
    'With --init difference, factors start as what training changed: the weights of the model that --from names less those of this one. Both must have the ' +
    'layer under the same module path, in the same extents, with its weight stored as floats.',
  make: ({ site, why }) => ({
    message: `cannot start the adapter of "${site}" as a difference: ${why}`,
    hint: 'give a model of the same network, or leave the layer out with --exclude',
  }),
});
