import { constantData } from '../../ir/constants.js';
import { isFloat } from '../../ir/dtype.js';
import type { Model, Value } from '../../ir/model.js';
import { type Shape, shapeOf } from '../../ir/shape.js';

/** What a model computes, as far as its inputs, outputs and tables say it. */
export type PurposeKind =
  /** one class for each row */
  | 'classes'
  /** one number for each row */
  | 'number'
  /** a class for each token */
  | 'tags'
  /** the next token */
  | 'language'
  /** a token that was masked */
  | 'masked'
  /** the text that a decoder writes */
  | 'seq2seq'
  /** where an answer begins and ends */
  | 'span'
  /** a vector for each row, or for each token */
  | 'embedding'
  | 'unknown';

export interface Purpose {
  readonly kind: PurposeKind;
  /** whether it reads token ids */
  readonly text: boolean;
  /** the outputs that say so */
  readonly outputs: readonly string[];
  /** whether it has other outputs of floating-point numbers */
  readonly others: boolean;
  /** what it is, and why: completes "the model" */
  readonly about: string;
  /** the input that masks positions */
  readonly mask: string | null;
  /** tokens that a row can have at most; null where that is not known */
  readonly longest: number | null;
}

/** A stored table that ids choose rows of. */
interface Table {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
}

/** Families that predict masked tokens, in the paths of their weights. */
const MASKED = /(^|[./])(bert|roberta|xlm_roberta|distilbert|electra|deberta|albert|mpnet|camembert)[./]/;
const CACHE = /^(present|past)|key_values|hidden_states|attentions/;
const IS_VECTOR = /embed|pooler|pooled|sentence|last_hidden_state/i;

/** Says what a model is for. Reads no weights. */
export function purposeOf(model: Model): Purpose {
  const inputs = model.graph.inputs.filter((input) => !input.constant);
  const ids = inputs.filter(({ type }) => type?.kind === 'tensor' && /^[iu](32|64)$/.test(type.dtype));
  const text =
    ids.some(({ name }) => /ids|token/i.test(name)) || (ids.length > 0 && ids.length === inputs.length);
  const tables = tablesOf(model);
  const positions = tables.filter(({ name }) => /pos|wpe/i.test(name));
  const words = tables
    .filter((table) => !positions.includes(table))
    .sort((a, b) => b.rows - a.rows)
    .at(0);
  const outputs = model.graph.outputs.filter(
    (output) => output.type?.kind === 'tensor' && isFloat(output.type.dtype) && !CACHE.test(output.name),
  );
  const found = judge(model, outputs, inputs, text, words);
  return {
    ...found,
    text,
    others: outputs.length > found.outputs.length,
    mask: inputs.find(({ name }) => /mask/i.test(name))?.name ?? null,
    longest: longestOf(ids, positions),
  };
}

function judge(
  model: Model,
  outputs: readonly Value[],
  inputs: readonly Value[],
  text: boolean,
  words: Table | undefined,
): Pick<Purpose, 'kind' | 'outputs' | 'about'> {
  const [start, end] = [/start/i, /end/i].map((word) => outputs.find(({ name }) => word.test(name)));
  if (text && start && end && shapeOf(start)?.length === 2) {
    const about = `marks where an answer starts and ends (outputs ${start.name} and ${end.name})`;
    return { kind: 'span', outputs: [start.name, end.name], about };
  }
  const main = outputs.find(({ name }) => /logits/i.test(name)) ?? outputs[0];
  const shape: Shape = (main && shapeOf(main)) ?? [];
  const last = shape.at(-1);
  const one = (kind: PurposeKind, about: string) => ({ kind, outputs: main ? [main.name] : [], about });
  const unknown = one('unknown', 'has outputs that do not say what it is trained for');
  if (!main || typeof last !== 'number') return unknown;
  const shown = `output ${main.name} [${shape.map((dim) => dim ?? '?').join(', ')}]`;
  if (text && shape.length === 3) {
    if (last === words?.rows) {
      if (inputs.some(({ name }) => name.startsWith('decoder_')))
        return one('seq2seq', `writes a text with its decoder (${shown}: its ${last} tokens)`);
      const masked = [...model.graph.initializers.keys()].some((name) => MASKED.test(name));
      return masked
        ? one('masked', `predicts masked tokens (${shown}: its ${last} tokens, in an encoder)`)
        : one('language', `predicts the next token (${shown}: its ${last} tokens)`);
    }
    if (IS_VECTOR.test(main.name) || (last === words?.width && !/logits/i.test(main.name)))
      return one('embedding', `gives a vector for each token (${shown})`);
    return one('tags', `gives each token one of ${last} classes (${shown})`);
  }
  if (shape.length !== 2) return unknown;
  if (IS_VECTOR.test(main.name) || (text && last === words?.width && !/logits/i.test(main.name)))
    return one('embedding', `gives a vector for each row (${shown})`);
  return last === 1
    ? one('number', `gives a number for each row (${shown})`)
    : one('classes', `gives each row one of ${last} classes (${shown})`);
}

/** Stored matrices that a Gather reads rows of, also those that are stored in fewer bits. */
function tablesOf(model: Model): readonly Table[] {
  return [...model.everyNode()].flatMap((node): Table[] => {
    const at = node.op === 'Gather' ? 0 : node.op === 'EmbedLayerNormalization' ? 2 : -1;
    const read = node.inputs[at];
    const table = read?.producer?.op === 'DequantizeLinear' ? read.producer.inputs[0] : read;
    const shape = table ? constantData(table)?.shape : undefined;
    const [rows, width] = shape ?? [];
    return table && shape?.length === 2 && rows !== undefined && width !== undefined
      ? [{ name: table.name, rows, width }]
      : [];
  });
}

/** The fixed length of rows, or the positions that the model knows. */
function longestOf(ids: readonly Value[], positions: readonly Table[]): number | null {
  const fixed = ids.map((input) => shapeOf(input)).find((shape) => shape?.length === 2)?.[1];
  if (typeof fixed === 'number') return fixed;
  const [table] = positions;
  if (!table) return null;
  // RoBERTa counts positions from the number after that of padding
  return /roberta|camembert|mpnet/i.test(table.name) ? table.rows - 2 : table.rows;
}
