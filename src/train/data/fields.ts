import { defaultsOf } from '../../options/define.js';
import { READING } from '../option-set.js';

/** Which fields of a record are used. */
export interface Fields {
  readonly text: string;
  /** a second text, for tasks on pairs */
  readonly pair: string | null;
  readonly label: string;
  readonly prompt: string;
  readonly completion: string;
  readonly messages: string;
  readonly tokens: string;
  readonly tags: string;
  /** what an encoder reads, and what its decoder is to write */
  readonly source: string;
  readonly target: string;
}

const defaults = defaultsOf(READING);

export const FIELDS: Fields = {
  text: defaults.textField,
  pair: null,
  label: defaults.labelField,
  prompt: defaults.promptField,
  completion: defaults.completionField,
  messages: defaults.messagesField,
  tokens: defaults.tokensField,
  tags: defaults.tagsField,
  source: defaults.sourceField,
  target: defaults.targetField,
};
