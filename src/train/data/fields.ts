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

export const FIELDS: Fields = {
  text: 'text',
  pair: null,
  label: 'label',
  prompt: 'prompt',
  completion: 'completion',
  messages: 'messages',
  tokens: 'tokens',
  tags: 'tags',
  source: 'source',
  target: 'target',
};
