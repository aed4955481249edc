import type { Steps } from './commands.js';
import type { Files } from './files.js';
import type { Random } from './random.js';
import type { Seeds } from './seeds.js';

/** A kind of files that lotrc reads: how inputs of it are made, and what is done with one. */
export interface Format {
  readonly name: string;
  /** inputs of it among all, relative to the other formats */
  readonly share: number;
  /** the file that alone is an input, for inputs that are kept as one file */
  readonly file?: string;
  /** seconds of processor time that an input may take, where it is not the usual time */
  readonly seconds?: number;
  /** inputs that a quick test run takes, where it is not the usual number */
  readonly quick?: number;
  /** changed files, from the stream of the input */
  make(random: Random, seeds: Seeds): Files;
  /**
   * Does with the files what the commands do, in the folder `in` of a workspace that holds them. `choose` chooses options.
   * Throws what is a defect.
   */
  exercise(steps: Steps, choose: Random, files: Files): Promise<void>;
}
