import { expect, test } from 'vitest';
import { parseModel, printModel } from '../../../src/ir/text/index.js';
import { RandomModels } from './random-model.js';

test.each([1, 20, 300, 4000])(
  'random models, sound and damaged, print what parses to the same text (seed %i)',
  (seed) => {
    const random = new RandomModels(seed);
    for (let count = 0; count < 250; count++) {
      const options = { origins: count % 2 === 0 };
      const text = printModel(random.model(), options);
      expect(text).toMatch(/^[\x20-\x7e\n]*\n$/);
      expect(printModel(parseModel(text), options)).toBe(text);
    }
  },
);
