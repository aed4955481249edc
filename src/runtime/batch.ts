import { badData, inputUnknown } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { elementCount } from '../ir/shape.js';
import type { Column, DataBatch } from '../train/data/dataset.js';
import { feedsOf, type InputMap } from '../train/feeds.js';
import { labelPort, signatureTerms } from '../train/labels.js';
import type { GraphSignature, Signature } from '../train/signature.js';
import type { Batch } from '../train/training-steps.js';

/** Numbers of one input of the model, row after row; a tensor of ONNX Runtime is one. */
export interface GivenNumbers {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint | string>;
}

/** A batch: the inputs of the model by name, and the labels, as `labels` or under the name of their input. */
export type GivenBatch = Readonly<Record<string, GivenNumbers>>;

const FILE = 'the batch';
const LABELS = 'labels';

/**
 * A batch as rows of data. Throws LOTR8204 for numbers of another count than their dims, or names that the graph does not have,
 * LOTR8208 for an input that is missing.
 */
export function rowsOfBatch(graph: GraphSignature, given: GivenBatch): DataBatch {
  const first = labelPort(graph)?.name;
  const columns = new Map<string, Column>();
  let labels: Column = { shape: [0], data: new Int32Array(0) };
  const used = new Set<string>();
  for (const { name, role } of graph.inputs) {
    if (role !== 'batch' && role !== 'label') continue;
    const found = [name, ...(name === first ? [LABELS] : [])].find((key) => Object.hasOwn(given, key));
    if (found === undefined) {
      const hint = `give the batch ${name === first ? `"${LABELS}"` : JSON.stringify(name)}: { dims, data }`;
      return fail(inputUnknown({ input: name, columns: Object.keys(given), hint }));
    }
    used.add(found);
    const column = columnOf(found, given[found]!);
    if (name === first) labels = column;
    else columns.set(name, column);
  }
  const strange = Object.keys(given).find((name) => !used.has(name));
  if (strange !== undefined) refuse(`it has "${strange}", and the graph has no such input`);
  const [examples = 1] = [...columns.values()][0]?.shape ?? [];
  return { columns, labels, examples, tokens: null };
}

/** Each input reads the column of its name. */
export function ownColumns(graph: GraphSignature): InputMap {
  return new Map(graph.inputs.filter(({ role }) => role === 'batch').map(({ name }) => [name, name]));
}

/** A batch as what a graph reads. Throws as {@link rowsOfBatch} and `feedsOf`: ids that the model has no row for are refused. */
export function feedsOfBatch(signature: Signature, graph: GraphSignature, given: GivenBatch): Batch {
  return feedsOf(graph, ownColumns(graph), rowsOfBatch(graph, given), signatureTerms(signature), FILE);
}

function columnOf(name: string, { dims, data }: GivenNumbers): Column {
  if (elementCount(dims) !== data.length)
    refuse(`"${name}" is [${dims.join(',')}] and has ${data.length} numbers`);
  if (data instanceof Float32Array || data instanceof Int32Array) return { shape: dims, data };
  const numbers = Array.from(data as ArrayLike<number>, Number);
  const odd = numbers.findIndex((number, k) => Number.isNaN(number) && !Object.is(data[k], number));
  if (odd >= 0) refuse(`"${name}" holds ${JSON.stringify(data[odd])}, which is not a number`);
  const whole = numbers.every((number) => number === (number | 0));
  return { shape: dims, data: whole ? Int32Array.from(numbers) : Float32Array.from(numbers) };
}

function refuse(why: string): never {
  const hint =
    'a batch is an object of inputs: { input_ids: { dims: [rows, length], data: [...] }, labels: ... }';
  return fail(badData({ file: FILE, why, hint }));
}
