import type { Files } from './files.js';
import type { Format } from './format.js';
import { FORMATS, formatOf } from './formats.js';
import { Random } from './random.js';
import type { Seeds } from './seeds.js';

/** Files under test, and the format that they pretend to have. */
export interface Input {
  readonly format: string;
  readonly files: Files;
  /** what chooses the options of the commands */
  readonly choice: number;
}

/** The input of a seed and an index, the same wherever it is made; of one format, or of all by their shares. */
export function makeInput(seeds: Seeds, seed: number, index: number, only: string | null = null): Input {
  const random = new Random(seed, index);
  const format = only === null ? byShare(random) : formatOf(only);
  const files = format.make(random, seeds);
  return { format: format.name, files, choice: random.below(2 ** 30) };
}

const TOTAL = FORMATS.reduce((sum, { share }) => sum + share, 0);

function byShare(random: Random): Format {
  let at = random.below(TOTAL);
  for (const format of FORMATS) {
    if (at < format.share) return format;
    at -= format.share;
  }
  throw new Error('the shares do not add up');
}
