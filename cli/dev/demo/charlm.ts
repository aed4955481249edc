import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Batch } from '../../../src/train/training-steps.js';
import { packageFolder } from '../../version.js';

/** What `models/charlm` holds: the model, its characters, two parts of a text, and the windows to train and score on. */

const FOLDER = join(packageFolder()!, 'models/charlm');
export const MODEL = join(FOLDER, 'charlm.onnx');

const { chars } = read<{ chars: string }>('vocab.json');
const ids: ReadonlyMap<string, number> = new Map([...chars].map((char, id) => [char, id]));
const windows = read<{ length: number; validation: number[]; train: number[][] }>('windows.json');

export const TRAINED_STEPS = windows.train.length;
/** characters that the model looks back on */
export const CONTEXT = windows.length;

/** A text as the model's numbers. Throws a plain Error for a character that the model does not know. */
export function encode(text: string): Int32Array {
  return Int32Array.from(text, (char) => {
    const id = ids.get(char);
    if (id === undefined) throw new Error(`the model knows no ${JSON.stringify(char)}`);
    return id;
  });
}

export function decode(tokens: Iterable<number>): string {
  return [...tokens].map((id) => chars[id]!).join('');
}

/** The new author's text: what is trained on, and what is kept apart to score on. */
export class Corpus {
  readonly #train = encode(readFileSync(join(FOLDER, 'moby-dick.train.txt'), 'utf8'));
  readonly #validation = encode(readFileSync(join(FOLDER, 'moby-dick.val.txt'), 'utf8'));

  /** characters to train on */
  get size(): number {
    return this.#train.length;
  }

  /** 16 windows of 128 characters for a step; the same ones for every method, and for PyTorch. */
  batch(step: number): Batch {
    return windowed(this.#train, windows.train[step]!);
  }

  /** The 64 windows of the validation loss. */
  validation(): Batch {
    return windowed(this.#validation, windows.validation);
  }
}

/** Inputs [n, 128] and, as labels, the character that follows each. */
function windowed(text: Int32Array, starts: readonly number[]): Batch {
  const dims = [starts.length, CONTEXT];
  const inputs = new BigInt64Array(starts.length * CONTEXT);
  const labels = new Int32Array(inputs.length);
  for (const [row, start] of starts.entries()) {
    for (let i = 0; i < CONTEXT; i++) {
      inputs[row * CONTEXT + i] = BigInt(text[start + i]!);
      labels[row * CONTEXT + i] = text[start + i + 1]!;
    }
  }
  return {
    inputs: { input_ids: { type: 'int64', dims, data: inputs } },
    labels: { type: 'int32', dims, data: labels },
  };
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as T;
}
