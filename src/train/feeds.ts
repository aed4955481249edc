import type { OrtTensor } from '../backends/ort/tensor.js';
import { badData, inputUnknown } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { toF16 } from '../ir/half.js';
import { bare } from '../ir/keys.js';
import { checkIds } from './check-ids.js';
import type { Column, DataBatch, Dataset } from './data/dataset.js';

import type { GraphSignature, LossTerm, Port } from './signature.js';
import type { Batch as Feeds } from './training-steps.js';

/** Which column of the data each batch input reads. */
export type InputMap = ReadonlyMap<string, string>;

/** Words in the names of inputs that tell their meaning, tried in order; '' is an input that no column of text fills. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [/head_?mask|global|masked|padding_mask|perm|visual|pixel/i, ''],
  [/embed|hidden|output|feature|value/i, ''],
  [/decoder.*mask/i, 'decoder_attention_mask'],
  [/decoder.*position/i, 'decoder_position_ids'],
  [/decoder/i, 'decoder_input_ids'],
  [/mask/i, 'attention_mask'],
  [/token_?type|segment/i, 'token_type_ids'],
  [/position/i, 'position_ids'],
  [/past|cache/i, ''],
  [/ids?$|token|input/i, 'input_ids'],
];

/** Columns for the inputs of a model: as given by the user, by equal name, or by meaning. Throws LOTR8208. */
export function mapInputs(graph: GraphSignature, data: Pick<Dataset, 'columns'>, given: InputMap): InputMap {
  const ports = graph.inputs.filter(({ role }) => role === 'batch');
  const map = new Map<string, string>();
  for (const { name } of ports) {
    const meant = MEANINGS.find(([pattern]) => pattern.test(name))?.[1];
    const found = [given.get(name), name, meant].find(
      (column) => column !== undefined && data.columns.includes(column),
    );
    map.set(name, found ?? fail(inputUnknown({ input: name, columns: data.columns })));
  }
  for (const [input, column] of given) {
    if (!map.has(input) || !data.columns.includes(column)) {
      fail(inputUnknown({ input: map.has(input) ? input : column, columns: data.columns }));
    }
  }
  return map;
}

/** Extents that the inputs fix: [batch, length], null where any will do. */
export function fixedExtents(graph: GraphSignature): {
  readonly rows: number | null;
  readonly length: number | null;
} {
  const shapes = graph.inputs.filter(({ role }) => role === 'batch').map(({ shape }) => shape);
  const fixed = (axis: number): number | null => {
    const found = shapes.map((shape) => shape[axis]).find((dim) => typeof dim === 'number');
    return typeof found === 'number' ? found : null;
  };
  return { rows: fixed(0), length: fixed(1) };
}

/**
 * One batch as what a graph reads; `terms` are its losses. Throws LOTR8204 when labels have another shape than the graph's,
 * extents that have one name differ, or the data has no labels for one of several losses, LOTR8250 for ids that the model
 * has no row for.
 */
export function feedsOf(
  graph: GraphSignature,
  inputs: InputMap,
  batch: DataBatch,
  terms: readonly LossTerm[],
  file = 'the data',
): Feeds {
  const feeds = bare<OrtTensor>();
  const extents = new Map<string, number>();
  let labels: OrtTensor | null = null;
  for (const port of graph.inputs) {
    if (port.role !== 'batch' && port.role !== 'label') continue;
    const further = port.role === 'label' && (port.term ?? 0) > 0;
    const column =
      port.role === 'batch'
        ? batch.columns.get(inputs.get(port.name)!)!
        : further
          ? furtherLabels(port, batch, terms[port.term!]!, file)
          : batch.labels;
    const fit = port.role === 'batch' ? column : fitted(port, column, file);
    if (port.role === 'batch') checkIds(port, fit);
    requireExtents(port, fit, extents, file);
    if (port.role === 'batch' || further) feeds[port.name] = tensorOf(port, fit);
    else labels = tensorOf(port, fit);
  }
  return { inputs: feeds, labels: labels ?? NO_LABELS };
}

/** What replaces labels where the graph takes none. */
const NO_LABELS: OrtTensor = { type: 'int32', dims: [0], data: new Int32Array(0) };

/** Labels of a loss after the first, a column of the data; rows that only fill up the batch get labels that do not count. */
function furtherLabels(
  { name }: Port,
  { columns, examples }: DataBatch,
  { ignoreIndex, ignoreValue }: LossTerm,
  file: string,
): Column {
  const column = columns.get(name);
  if (!column) {
    const hint = `give a .safetensors file with a tensor ${JSON.stringify(name)}`;
    return fail(badData({ file, why: `it has no tensor "${name}"`, hint }));
  }
  const { shape, data } = column;
  const width = data.length / Math.max(1, shape[0]!);
  const ignored = ignoreIndex ?? ignoreValue;
  if (examples === shape[0] || ignored === undefined) return column;
  const own = data.slice();
  own.fill(ignored, examples * width);
  return { shape, data: own };
}

/** Throws LOTR8204 when an extent with a name differs from an earlier one of that name: broadcasting would hide it. */
function requireExtents(
  { name, shape }: Port,
  column: Column,
  extents: Map<string, number>,
  file: string,
): void {
  for (const [axis, dim] of shape.entries()) {
    const extent = column.shape[axis];
    if (typeof dim !== 'string' || extent === undefined) continue;
    const before = extents.get(dim);
    if (before !== undefined && before !== extent) {
      const why = `"${name}" is [${column.shape.join(',')}], and "${dim}" is ${before} in other inputs`;
      fail(badData({ file, why }));
    }
    extents.set(dim, extent);
  }
}

/** Labels with or without a last extent of 1, as the graph wants them. */
function fitted(port: Port, column: Column, file: string): Column {
  const { shape } = column;
  const wanted = port.shape.length;
  const fits = (dims: readonly number[]): boolean =>
    dims.length === wanted &&
    port.shape.every((dim, axis) => typeof dim === 'string' || axis === 0 || dim === dims[axis]);
  // an extent that varies is not filled up: labels of single rows would be taken for every position
  const longer = port.shape.at(-1) === 1 ? [[...shape, 1]] : [];
  const found = [shape, ...longer, ...(shape.at(-1) === 1 ? [shape.slice(0, -1)] : [])].find(fits);
  if (found) return { ...column, shape: found };
  const why = `labels are [${shape.join(',')}] and the graph wants [${port.shape.join(',')}]`;
  const hint =
    wanted > 1
      ? 'a model that predicts every token takes text without labels, or labels for every token from safetensors'
      : 'a model that predicts one class takes JSON Lines or CSV with a label field';
  return fail(badData({ file, why, hint }));
}

function tensorOf({ name, dtype }: Port, { shape: dims, data }: Column): OrtTensor {
  switch (dtype) {
    case 'i64':
      return { type: 'int64', dims, data: BigInt64Array.from(data, (value) => BigInt(value)) };
    case 'i32':
      return { type: 'int32', dims, data: data instanceof Int32Array ? data : Int32Array.from(data) };
    case 'f32':
      return { type: 'float32', dims, data: data instanceof Float32Array ? data : Float32Array.from(data) };
    case 'f16':
      return { type: 'float16', dims, data: Uint16Array.from(data, toF16) };
    case 'bool':
      return { type: 'bool', dims, data: Uint8Array.from(data, (value) => (value === 0 ? 0 : 1)) };
    default:
      return fail(
        inputUnknown({ input: `${name} (${dtype})`, columns: ['i64', 'i32', 'f32', 'f16', 'bool'] }),
      );
  }
}
