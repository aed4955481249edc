import { otherRecords } from '../../ir/codes/train-data.js';
import { fail } from '../../ir/diagnostics.js';
import type { Signature } from '../signature.js';
import type { Fields } from './fields.js';
import { has, type Row } from './records.js';

/**
 * What the records of a file are: `label`, a text (or two) with a label; `text`, running text; `prompt`, a prompt and the
 * text that follows it; `chat`, messages; `tags`, words with a tag each.
 */
export const TASKS = ['label', 'text', 'prompt', 'chat', 'tags'] as const;
export type Task = (typeof TASKS)[number];

/** What the loss of a training directory compares: numbers, one class per row, or one class per position. */
export type Predicts = 'values' | 'row' | 'positions';

export function predicts({ graphs, loss }: Signature): Predicts {
  if (loss.kind !== 'cross-entropy') return 'values';
  const graph = graphs.eval ?? graphs.step!;
  const label = graph.inputs.find(({ role }) => role === 'label');
  return (label?.shape.length ?? 1) > 1 ? 'positions' : 'row';
}

/** What each task needs, for messages. */
const FORMS: Readonly<Record<Task, (fields: Fields) => string>> = {
  label: ({ text, label }) => `"${text}" and "${label}"`,
  text: ({ text }) => `"${text}" without a label`,
  chat: ({ messages }) => `"${messages}"`,
  tags: ({ tokens, tags }) => `"${tokens}" and "${tags}"`,
  prompt: ({ prompt, completion }) => `"${prompt}" and "${completion}"`,
};

/**
 * The task of a file: the one that was given, or the one that its first record and the model ask for. Throws LOTR8220 when
 * the model predicts something else, or no task is recognised.
 */
export function taskOf(
  file: string,
  first: Row,
  fields: Fields,
  given: Task | null,
  predicted: Predicts,
): Task {
  const per = predicted === 'positions';
  if (given !== null) {
    if ((given === 'label') === per) {
      const why = per ? 'one label for a text' : 'a class for every token';
      fail(
        otherRecords({ file, why: `--task ${given} gives ${why}`, predicted, forms: formsOf(fields, per) }),
      );
    }
    return given;
  }
  if (!per) return 'label';
  const found: readonly (readonly [Task, boolean])[] = [
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
  return fail(otherRecords({ file, why, predicted, forms: formsOf(fields, per), labelled }));
}

const formsOf = (fields: Fields, per: boolean): readonly string[] =>
  TASKS.filter((task) => (task !== 'label') === per).map((task) => FORMS[task](fields));
