import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { proposalOf, proposedValues } from '../../src/build/proposal/proposal.js';
import { purposeOf } from '../../src/build/proposal/purpose.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { type Shape, tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { command } from '../support/cli.js';

const CASES = join(import.meta.dirname, '../data/cases/train');
const root = mkdtempSync(join(tmpdir(), 'lotrc-init-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A folder with copies of files, by their places in it. */
function project(name: string, files: Readonly<Record<string, string>>): (path: string) => string {
  const at = (path: string) => join(root, name, path);
  mkdirSync(at('onnx'), { recursive: true });
  for (const [path, source] of Object.entries(files)) copyFileSync(join(CASES, source), at(path));
  return at;
}
const dryRun = (config: string) =>
  command(['build', '--dry-run', '--config', config, '--cache', join(root, 'cache')]);

describe('lotrc init', () => {
  test('writes a config for the model, tokenizer and data at hand, and says why', async () => {
    const at = project('reviews', {
      'onnx/model.onnx': 'bert2.onnx',
      'tokenizer.json': 'tokenizer.json',
      'train.jsonl': 'sent.jsonl',
    });
    writeFileSync(at('other.csv'), 'text,label\n');
    const made = await command(['init', '-o', at('')]);
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.out).toContain(
      'reviews: onnx/model.onnx gives each row one of 2 classes (output logits [batch, 2])',
    );
    expect(made.out).toContain('trains on train.jsonl');
    expect(made.out).toMatch(/next: lotrc build --dry-run --config .*lotrc\.config\.ts\n$/);
    const text = readFileSync(at('lotrc.config.ts'), 'utf8');
    expect(text).toContain("      input: 'onnx/model.onnx',");
    expect(text).toMatch(
      /\/\/ [\d,]+ linear layers get adapters: [\d,]+ trainable parameters\.[^\n]*\n(?: +\/\/.*\n)* +rank: 8,/,
    );
    expect(text).toContain("alsoTrain: ['(^|\\\\.)classifier(\\\\.(weight|bias))?$'],");
    expect(text).toContain("data: 'train.jsonl',\n        tokenizer: 'tokenizer.json',");
    const planned = await dryRun(at('lotrc.config.ts'));
    expect(planned).toMatchObject({ code: 0, err: '' });
    expect(planned.out).toMatch(/reviews +merge +would be made/);
    expect(await command(['init', '-o', at('')])).toMatchObject({
      code: 1,
      err: expect.stringContaining('LOTR8307'),
    });
    // another form of it would be a second config
    expect(await command(['init', '--force', '--format', 'json', '-o', at('')])).toMatchObject({ code: 1 });
    expect(existsSync(at('lotrc.config.json'))).toBe(false);
    expect(await command(['init', '--force', '-o', at('')])).toMatchObject({ code: 0 });
  });

  test('takes every model of a folder without a usual one, as JSON too', async () => {
    const at = project('several', {
      'b.onnx': 'tied.ts.onnx',
      'a.onnx': 'gpt2c.onnx',
      'a.lotr.onnx': 'gpt2c.onnx',
    });
    writeFileSync(at('c.onnx'), 'version https://git-lfs.github.com/spec/v1\n');
    const made = await command(['init', '--format', 'json', '-o', at('')]);
    expect(made.code).toBe(0);
    expect(made.err).toContain('warning LOTR1001: not an ONNX file but a Git LFS pointer');
    const { models } = JSON.parse(readFileSync(at('lotrc.config.json'), 'utf8')) as {
      models: Record<string, object>;
    };
    expect(Object.keys(models)).toEqual(['a', 'b']);
    expect(models.b).toMatchObject({
      rewrite: { rank: 8, init: 'fan-in', scale: 8 },
      training: { loss: [{ kind: 'cross-entropy' }], shift: true },
      outputs: ['onnx', 'adapter', 'training'],
    });
    expect(await dryRun(at('lotrc.config.json'))).toMatchObject({ code: 0, err: '' });
  });

  test('says where it looked when there is no model', async () => {
    const at = project('none', {});
    expect(await command(['init', '-o', at('')])).toMatchObject({
      code: 1,
      err: expect.stringContaining('LOTR8308'),
    });
    expect(existsSync(at('lotrc.config.ts'))).toBe(false);
  });
});

describe('what a model is for', () => {
  /** Ids through a table of 50 rows and 12 columns; the outputs declare what the rest of the model would give. */
  const of = (
    outputs: Readonly<Record<string, Shape>>,
    inputs: readonly string[] = ['input_ids', 'attention_mask'],
    table = 'wte',
  ) => {
    const graph = new Graph('net');
    const [ids] = inputs.map((name) => graph.addInput(name, tensorType('i64', ['batch', 'seq'])));
    const words = graph.addInitializer(table, f32Tensor([50, 12], new Float32Array(600)));
    graph.append({ op: 'Gather', name: 'embed', inputs: [words, ids!], outputs: ['rows'] });
    for (const [name, shape] of Object.entries(outputs)) {
      const value = graph.append({ op: 'Identity', name, inputs: [ids!], outputs: [name] }).outputs[0]!;
      value.setType(tensorType('f32', shape));
      graph.addOutput(value);
    }
    return purposeOf(new Model(graph));
  };
  test.each([
    ['language', of({ logits: ['b', 's', 50] })],
    ['masked', of({ logits: ['b', 's', 50] }, ['input_ids'], 'bert.embeddings.weight')],
    ['seq2seq', of({ logits: ['b', 's', 50] }, ['input_ids', 'decoder_input_ids'])],
    ['tags', of({ logits: ['b', 's', 9] })],
    ['tags', of({ logits: ['b', 's', 12] })],
    ['embedding', of({ hidden: ['b', 's', 12] })],
    ['embedding', of({ sentence_embedding: ['b', 7] })],
    ['classes', of({ logits: ['b', 3], 'present.0.key': ['b', 2, 's', 4] })],
    ['number', of({ logits: ['b', 1] })],
    ['span', of({ start_logits: ['b', 's'], end_logits: ['b', 's'] })],
    ['unknown', of({ logits: ['b', 's', null] })],
    ['unknown', of({ map: ['b', 3, 8, 8] })],
  ] as const)('%s', (kind, purpose) => {
    expect(purpose.kind).toBe(kind);
    expect(purpose.others).toBe(false);
  });

  test('a model whose layers must all be named gets them named, at a rank that fits', () => {
    const graph = new Graph('net');
    const x = graph.addInput('x', tensorType('f32', ['batch', 16]));
    const weight = graph.addInitializer('score.weight', f32Tensor([16, 3], new Float32Array(48).fill(0.5)));
    const y = graph.append({ op: 'MatMul', name: '/score/MatMul', inputs: [x, weight], outputs: ['y'] })
      .outputs[0]!;
    y.setType(tensorType('f32', ['batch', 3]));
    graph.addOutput(y);
    const model = new Model(graph);
    model.setOpset('', 17);
    const { rewrite, training } = proposalOf(() => model);
    expect(proposedValues(rewrite)).toEqual({ rank: 1, targets: ['.*'], init: 'fan-in', scale: 1 });
    expect(proposedValues(training!)).toEqual({ loss: [{ kind: 'cross-entropy' }] });
  });

  test('positions limit the length of rows', () => {
    const { train } = proposalOf(() => readModel(join(CASES, 'tied.ts.onnx')));
    expect(proposedValues(train!)).toEqual({ evalSplit: 0.1, maxLength: 64 });
  });
});
