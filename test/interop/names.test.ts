import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mapName, meantBy, meantByFlat } from '../../src/interop/names.js';
import { PeftConfig } from '../../src/interop/peft-config.js';
import { parseJson } from '../../src/ir/files/json.js';
import { PEFT } from '../support/peft.js';

describe('which layer a name means', () => {
  test('the same path, one with more in front, and one with less', () => {
    const paths = ['encoder.layer.0.q', 'encoder.layer.1.q', 'head'];
    expect(meantBy('roberta.encoder.layer.0.q', paths)).toEqual(['encoder.layer.0.q']);
    expect(meantBy('layer.1.q', paths)).toEqual(['encoder.layer.1.q']);
    expect(meantBy('head', paths)).toEqual(['head']);
    expect(meantBy('q', paths)).toEqual(['encoder.layer.0.q', 'encoder.layer.1.q']);
    expect(meantBy('mlp.ahead', paths)).toEqual([]);
    expect(meantBy('absent', paths)).toEqual([]);
  });

  test('the longest that both end in counts, and the same path always', () => {
    expect(meantBy('a.b.q', ['q', 'b.q'])).toEqual(['b.q']);
    expect(meantBy('q', ['b.q', 'q'])).toEqual(['q']);
  });

  test('underscores in the places of dots', () => {
    const paths = ['mid_block.attn1.to_q', 'down.0.attn1.to_q', 'to_q'];
    expect(meantByFlat('mid_block_attn1_to_q', paths)).toEqual(['mid_block.attn1.to_q']);
    expect(meantByFlat('unet_down_0_attn1_to_q', paths)).toEqual(['down.0.attn1.to_q']);
    expect(meantByFlat('attn1_to_q', paths.slice(0, 2))).toEqual(paths.slice(0, 2));
    expect(meantByFlat('attn2_to_k', paths)).toEqual([]);
  });

  test('--module-map replaces the longest beginning that fits, in whole segments', () => {
    const map = new Map([
      ['model', 'net'],
      ['model.layers', 'blocks'],
    ]);
    expect(mapName('model.layers.0.q', map)).toEqual({ name: 'blocks.0.q', by: 'model.layers' });
    expect(mapName('model.head', map)).toEqual({ name: 'net.head', by: 'model' });
    expect(mapName('models.head', map)).toEqual({ name: 'models.head', by: null });
  });
});

interface Choice {
  readonly key: string;
  readonly chosen: boolean;
}

test('a configuration chooses the modules that PEFT chooses', () => {
  const text = readFileSync(join(PEFT, 'selection.json'), 'utf8');
  const cases = JSON.parse(text) as Choice[];
  expect(cases.length).toBeGreaterThan(46);
  for (const { key, chosen, ...settings } of cases) {
    const config = new PeftConfig(
      'config',
      parseJson(JSON.stringify(settings)) as ReadonlyMap<string, never>,
    );
    expect(config.unchosen(key) === null, `${key} ${JSON.stringify(settings)}`).toBe(chosen);
  }
});
