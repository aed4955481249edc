import { describe, expect, test } from 'vitest';
import { mapInputs } from '../../src/train/feeds.js';
import type { GraphSignature } from '../../src/train/signature.js';

const TEXT = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'];

function mapped(names: readonly string[], columns = TEXT) {
  const inputs = names.map(
    (name) => ({ name, role: 'batch', dtype: 'i64', shape: ['batch', 'seq'] }) as const,
  );
  const graph: GraphSignature = { file: 'eval.onnx', inputs, outputs: [] };
  const data = { size: 1, unit: 'example', columns, batch: () => expect.fail() } as const;
  return Object.fromEntries(mapInputs(graph, data, new Map()));
}

describe('what inputs read by their names', () => {
  test('other words for what text gives', () => {
    expect(mapped(['tokens', 'input_mask', 'segment_ids', 'positions'])).toEqual({
      tokens: 'input_ids',
      input_mask: 'attention_mask',
      segment_ids: 'token_type_ids',
      positions: 'position_ids',
    });
  });
  test.each([
    'decoder_input_ids',
    'decoder_attention_mask',
    'head_mask',
    'global_attention_mask',
    'src_key_padding_mask',
    'inputs_embeds',
    'encoder_hidden_states',
    'input_features',
    'pixel_values',
    'past_key_values.0.key',
  ])('%s is not fed with ids or the mask of the text (LOTR8208)', (name) => {
    expect(() => mapped([name])).toThrow(
      expect.objectContaining({ diagnostics: [expect.objectContaining({ code: 'LOTR8208' })] }),
    );
  });
});
