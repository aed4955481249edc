import { exercise, kindOf, type Place } from './exercise.js';
import { type Content, isLink } from './files.js';
import type { Input } from './inputs.js';

/** Trials that a defect is worth. */
const TRIALS = 400;

/** Whether an input is a defect of a kind. */
export async function failsAs(input: Input, kind: string, place: Place): Promise<boolean> {
  try {
    await exercise(input, place);
    return false;
  } catch (error) {
    return kindOf(error) === kind;
  }
}

/** The smallest input found for which a test holds: files are left out, then ever shorter stretches of their bytes. */
export async function minimised(input: Input, test: (trial: Input) => Promise<boolean>): Promise<Input> {
  let best = input;
  let left = TRIALS;
  const fails = async (files: ReadonlyMap<string, Content>): Promise<boolean> => {
    const trial = { ...best, files };
    if (left-- <= 0 || !(await test(trial))) return false;
    best = trial;
    return true;
  };
  for (const name of input.files.keys()) {
    const fewer = new Map(best.files);
    fewer.delete(name);
    if (fewer.size > 0) await fails(fewer);
  }
  for (const name of best.files.keys()) {
    for (let length = size(best, name) >> 1; length > 0; length >>= 1) {
      for (let at = 0; at < size(best, name); ) {
        const bytes = best.files.get(name)!;
        if (isLink(bytes) || left <= 0) break;
        const shorter = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        if (!(await fails(new Map(best.files).set(name, shorter)))) at += length;
      }
    }
  }
  return best;
}

function size({ files }: Input, name: string): number {
  const content = files.get(name)!;
  return isLink(content) ? 0 : content.byteLength;
}
