import { otherRecords } from '../../ir/codes/train-data.js';
import { fail } from '../../ir/diagnostics.js';
import { RECORD_TASKS, type RecordTask } from '../../options/words.js';
import { dataGraph, labelPort, signatureTerms } from '../labels.js';
import { lossFacts } from '../losses/facts.js';
import type { Signature } from '../signature.js';
import { decoderOf } from './decoder.js';
import type { Fields } from './fields.js';
import { type DataRow, has } from './records.js';

export { RECORD_TASKS, type RecordTask };

/**
 * What the loss of a training directory compares: numbers, one class per row, or one class per position, of a decoder's
 * text (`target`) or of the text that is read.
 */
export type Predicts = 'values' | 'row' | 'positions' | 'target';

/** Of several losses, the first. */
export function predicts(signature: Signature): Predicts {
  const { labels } = lossFacts(signatureTerms(signature)[0]!.kind);
  const graph = dataGraph(signature);
  const label = labelPort(graph);
  const own = labels === 'own' && label !== undefined && label.dtype !== 'f32' && label.dtype !== 'f16';
  if (labels !== 'classes' && labels !== 'sequences' && !own) return 'values';
  if ((label?.shape.length ?? 1) < 2) return 'row';
  return decoderOf(graph) ? 'target' : 'positions';
}

/** What each task needs, for messages. */
const FORMS: Readonly<Record<RecordTask, (fields: Fields) => string>> = {
  label: ({ text, label }) => `"${text}" and "${label}"`,
  text: ({ text }) => `"${text}" without a label`,
  chat: ({ messages }) => `"${messages}"`,
  tags: ({ tokens, tags }) => `"${tokens}" and "${tags}"`,
  prompt: ({ prompt, completion }) => `"${prompt}" and "${completion}"`,
  seq2seq: ({ source, target }) => `"${source}" and "${target}"`,
};

/**
 * The task of a file: the one that was given, or the one that its first record and the model ask for. Throws LOTR8220 when
 * the model predicts something else, or no task is recognised.
 */
export function taskOf(
  file: string,
  first: DataRow,
  fields: Fields,
  given: RecordTask | null,
  predicted: Predicts,
): RecordTask {
  const forms = RECORD_TASKS.filter((task) => serves(task, predicted)).map((task) => FORMS[task](fields));
  if (given !== null) {
    if (serves(given, predicted)) return given;
    const why = `--task ${given} gives ${GIVES[given] ?? 'a class for every token'}`;
    return fail(otherRecords({ file, why, predicted, forms }));
  }
  if (predicted === 'target') return 'seq2seq';
  if (predicted !== 'positions') return 'label';
  const found: readonly (readonly [RecordTask, boolean])[] = [
    ['chat', has(first, fields.messages)],
    ['tags', has(first, fields.tokens) && has(first, fields.tags)],
    ['prompt', has(first, fields.prompt) && has(first, fields.completion)],
    ['text', has(first, fields.text) && !has(first, fields.label)],
  ];
  const [task] = found.find(([, fits]) => fits) ?? [];
  if (task !== undefined) return task;
  const labelled = has(first, fields.text);
  const why = labelled
    ? `its records have one "${fields.label}" for a text`
    : `its first record has the fields ${Object.keys(first.value).join(', ')}`;
  return fail(otherRecords({ file, why, predicted, forms, labelled }));
}

/** What a task gives, where it is not a class for every token. */
const GIVES: Readonly<Partial<Record<RecordTask, string>>> = {
  label: 'one label for a text',
  seq2seq: 'what a decoder is to write',
};

function serves(task: RecordTask, predicted: Predicts): boolean {
  if (predicted === 'target') return task === 'seq2seq';
  if (predicted === 'positions') return task !== 'label' && task !== 'seq2seq';
  return task === 'label';
}
