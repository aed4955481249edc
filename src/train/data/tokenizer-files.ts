/** Files in the folder of a tokenizer that are read too, where they are. */
export const TOKENIZER_FILES = {
  tokens: ['special_tokens_map.json', 'tokenizer_config.json'],
  template: 'chat_template.jinja',
  generation: 'generation_config.json',
  model: 'config.json',
} as const;
