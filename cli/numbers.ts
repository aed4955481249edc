import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { compareOutputs, type OutputDifference } from '../src/backends/ort/compare.js';
import type { Feeds, HostTensor } from '../src/backends/ort/messages.js';
import { badRecord } from '../src/ir/codes/build.js';
import { fail } from '../src/ir/diagnostics.js';
import type { Output } from '../src/ir/files/atomic.js';
import { wholeDigest } from '../src/ir/files/file-digest.js';
import { readSafetensors, safetensorsOutput } from '../src/ir/files/safetensors.js';
import { filesOf } from '../src/ir/files-of.js';
import type { Model } from '../src/ir/model.js';
import { MemoryTensor, type TensorData } from '../src/ir/tensor.js';

/** What a model gave for some inputs, as `lotrc check` and `lotrc verify --record` keep it in a safetensors file. */
export interface Recorded {
  readonly inputs: Feeds;
  readonly outputs: Feeds;
  /** largest difference relative to the largest magnitude of an output */
  readonly tolerance: number;
  /** of the model, where it was kept */
  readonly model: string | null;
}

const INPUT = 'input/';
const OUTPUT = 'output/';

/** The file of a record. Texts cannot be kept: safetensors holds numbers. */
export function recordOutput(path: string, { inputs, outputs, tolerance, model }: Recorded): Output {
  const tensors = new Map([...tensorsOf(INPUT, inputs), ...tensorsOf(OUTPUT, outputs)]);
  return safetensorsOutput(path, tensors, {
    tolerance: String(tolerance),
    ...(model === null ? {} : { model }),
  });
}

/** Reads a record. Throws LOTR1002, LOTR70xx, and LOTR8310 for a file that is none. */
export function readRecord(path: string): Recorded {
  const { tensors, metadata } = readSafetensors(path);
  const tolerance = Number(metadata.tolerance);
  const outputs = feedsOf(OUTPUT, tensors);
  if (!(tolerance >= 0) || Object.keys(outputs).length === 0) fail(badRecord({ file: path }));
  return { inputs: feedsOf(INPUT, tensors), outputs, tolerance, model: metadata.model ?? null };
}

/** How far outputs are from those of a record. Throws LOTR8007 for other names, types or shapes. */
export function compareRecorded({ outputs }: Recorded, now: Feeds): readonly OutputDifference[] {
  return compareOutputs(outputs, numbersOf(now));
}

/** `sha256:...` of the files that a model reads, by their names. */
export function modelDigest(model: Model): string {
  const hash = createHash('sha256');
  for (const path of filesOf(model)) hash.update(`${basename(path)} ${wholeDigest(path)}\n`);
  return `sha256:${hash.digest('hex')}`;
}

/** Tensors that a file can hold: those of numbers. */
function numbersOf(feeds: Feeds): Feeds {
  return Object.fromEntries(Object.entries(feeds).filter(([, { dtype }]) => dtype !== 'string'));
}

function tensorsOf(prefix: string, feeds: Feeds): readonly (readonly [string, TensorData])[] {
  return Object.entries(numbersOf(feeds)).map(([name, { dtype, shape, data }]) => [
    `${prefix}${name}`,
    new MemoryTensor(dtype, shape, data as Uint8Array),
  ]);
}

function feedsOf(prefix: string, tensors: ReadonlyMap<string, TensorData>): Feeds {
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(
    own.map(([name, data]): [string, HostTensor] => [
      name.slice(prefix.length),
      { dtype: data.dtype, shape: data.shape, data: data.bytes() },
    ]),
  );
}
