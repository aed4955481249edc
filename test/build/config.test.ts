import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configSchemaText } from '../../cli/dev/docs/options.js';
import { checkConfig } from '../../src/build/check-config.js';
import type { BuildConfig } from '../../src/build/config.js';
import { configSchema } from '../../src/build/config-schema.js';
import { defineConfig } from '../../src/build/define-config.js';
import { keyOf } from '../../src/build/keys.js';
import { stepsOf } from '../../src/build/steps.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { fitsSchema } from '../support/json-schema.js';

const ROOT = resolve(import.meta.dirname, '../..');

const CONFIG = defineConfig({
  $schema: 'node_modules/lotrc/docs/config.schema.json',
  output: 'out',
  defaults: { rewrite: { rank: 8, init: 'fan-in' }, outputs: ['onnx', 'adapter', 'training', 'merged'] },
  models: {
    reviews: {
      input: 'models/bert.onnx',
      rewrite: { targets: ['query', 'value'], method: 'my/method.json' },
      training: { lrMultipliers: { M: 4 }, loss: [{ kind: 'cross-entropy' }] },
      train: { data: 'reviews.csv', tokenizer: 'models/tokenizer.json' },
    },
    small: { input: '../base.onnx', output: '/abs/small', outputs: ['onnx', 'wgsl'], wgsl: { tokens: [4] } },
  },
});

/** A config with other values at some paths; undefined removes one. */
function changed(...changes: readonly (readonly [path: string, value: unknown])[]): unknown {
  const copy = structuredClone(CONFIG) as unknown as Record<string, unknown>;
  for (const [path, value] of changes) {
    const keys = path.split('/');
    const last = keys.pop()!;
    const at = keys.reduce((object, key) => object[key] as Record<string, unknown>, copy);
    if (value === undefined) delete at[last];
    else at[last] = value;
  }
  return copy;
}

/** What is said of a config: codes, messages and hints. */
function problems(config: unknown): readonly string[] {
  try {
    stepsOf(checkConfig(config, 'lotrc.config.ts'), '/project', 'lotrc.config.ts');
    return [];
  } catch (error) {
    if (!(error instanceof LotrcError)) throw error;
    return error.diagnostics.map(({ code, message, hint }) => `${code} ${message}; ${hint}`);
  }
}

describe('a config that does not fit is refused with the path, and the nearest valid name', () => {
  test.each([
    [
      [['models/small/wgsl', { optimizer: 'muon' }]],
      'models.small.wgsl.optimizer takes adamw, sgd, lion, not "muon"',
    ],
    [[['modles', {}]], 'modles is not known here; did you mean "models"?'],
    [[['models', {}]], 'models names no model'],
    [[['models', undefined]], 'models is missing'],
    [[['models', ['x']]], 'models must be an object'],
    [[['models/a b', { input: 'x.onnx' }]], 'models["a b"] is not a name for files'],
    [[['models/reviews/input', undefined]], 'models.reviews.input is missing'],
    [[['models/reviews/input', 3]], 'models.reviews.input must be a text'],
    [
      [['models/reviews/rewrite/rnk', 8]],
      'models.reviews.rewrite.rnk is not an option of it; did you mean "rank"?',
    ],
    [[['models/reviews/rewrite/target', []]], '--target of the command line is "targets" here'],
    [[['models/reviews/rewrite/factors', 'inputs']], '--factors of the command line is "carry" here'],
    [[['defaults/rewrite/rank', 0]], 'defaults.rewrite.rank takes a whole number of at least 1, not 0'],
    [[['models/reviews/train/data', null]], 'models.reviews.train.data is null'],
    [
      [['models/small/outputs/1', 'wgls']],
      'models.small.outputs[1] is "wgls", which is not an output; did you mean "wgsl"?',
    ],
    [
      [['models/small/outputs', ['wgsl']]],
      'models.small.outputs has wgsl, which is made of the rewritten model',
    ],
    [
      [['models/small/train', { data: 'x' }]],
      'models.small.train is of no use: the outputs do not have training',
    ],
    [[['models/reviews/train/data', undefined]], 'models.reviews.train.data is missing'],
    [[['defaults/rewrite/rank', undefined]], 'models.reviews.rewrite.rank is missing'],
    [
      [['models/reviews.merged', { input: 'x.onnx', outputs: ['onnx'] }]],
      'makes out/reviews.merged.onnx, and so does',
    ],
  ] as const)('%j', (changes, said) => {
    const found = problems(changed(...changes));
    expect(found.join('\n')).toContain(`LOTR8302 ${''}`);
    expect(
      found.some((text) => text.includes(said)),
      found.join('\n'),
    ).toBe(true);
  });
});

describe('docs/config.schema.json', () => {
  const { $defs, ...schema } = configSchema();
  const fits = (value: unknown) => fitsSchema(value, schema, $defs);

  test('is made from the declarations: npm run gen', () => {
    expect(readFileSync(join(ROOT, 'docs/config.schema.json'), 'utf8')).toBe(configSchemaText());
  });

  test('takes what is taken, and refuses what is refused', () => {
    expect(problems(CONFIG)).toEqual([]);
    expect(fits(CONFIG)).toBe(true);
    for (const [path, value] of [
      ['modles', {}],
      ['models', undefined],
      ['models/a b', { input: 'x.onnx' }],
      ['models/reviews/input', undefined],
      ['models/reviews/rewrite/rnk', 8],
      ['defaults/rewrite/rank', 0],
      ['models/small/outputs/1', 'wgls'],
      ['defaults/rewrite/share', 'blok=2'],
      ['defaults/rewrite/layers', '0-'],
      ['models/small/wgsl', { device: 'h100' }],
      ['models/small/cuda', { arch: 'sm_80,sm_81' }],
    ] as const) {
      expect(problems(changed([path, value])), path).not.toEqual([]);
      expect(fits(changed([path, value])), path).toBe(false);
    }
    for (const [path, value] of [
      ['defaults/rewrite/share', 'block=2'],
      ['defaults/rewrite/layers', '0-5, 8'],
      ['models/small/wgsl', { device: 'apple-m1' }],
      ['models/small/outputs', ['cuda']],
      ['models/small/cuda', { arch: 'sm_90a,sm_80' }],
    ] as const)
      expect(fits(changed([path, value])), path).toBe(true);
  });
});

describe('steps', () => {
  const steps = (config: unknown = CONFIG, folder = '/project') =>
    stepsOf(config as BuildConfig, folder, 'x');
  const key = (config: unknown, { folder = '/project', version = '1', digest = 'a' } = {}) => {
    const [first] = steps(config, folder);
    return keyOf(first!, [['models/bert.onnx', digest]], [], version);
  };

  test('come after those whose outputs they take, and name every file that is read', () => {
    const rows = steps().map(({ id, after, input, files, makes }) => ({ id, after, input, files, makes }));
    const makes = { onnx: 'out/reviews.onnx', adapter: 'out/reviews.safetensors' };
    expect(rows[0]).toEqual({
      id: 'reviews rewrite',
      after: [],
      input: 'models/bert.onnx',
      files: ['my/method.json'],
      makes,
    });
    expect(rows.map(({ id, after }) => [id, ...after].join(' < '))).toEqual([
      'reviews rewrite',
      'reviews training < reviews rewrite',
      'reviews train < reviews training',
      'reviews merge < reviews rewrite < reviews train',
      'small rewrite',
      'small wgsl < small rewrite',
    ]);
    const read = rows[2]!.files;
    for (const file of [
      'reviews.csv',
      'models/tokenizer.json',
      'models/config.json',
      'models/chat_template.jinja',
    ])
      expect(read).toContain(file);
    expect(rows[4]).toMatchObject({ input: '../base.onnx', makes: { onnx: '../abs/small/small.onnx' } });
  });

  test('have another key with another rank, target, base or version, and the same in another folder', () => {
    const base = key(CONFIG);
    expect(key(CONFIG, { folder: '/elsewhere/here' })).toBe(base);
    const others = [
      key(changed(['defaults/rewrite/rank', 4])),
      key(changed(['models/reviews/rewrite/targets', ['query']])),
      key(CONFIG, { digest: 'b' }),
      key(CONFIG, { version: '2' }),
    ];
    expect(new Set([base, ...others]).size).toBe(5);
    // giving a default changes nothing
    expect(key(changed(['models/reviews/rewrite/seed', 0]))).toBe(base);
  });
});
