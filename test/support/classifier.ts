import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graph, Model } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, i64Tensor } from '../../src/ir/tensor.js';
import { lotrc } from './cli.js';
import { noise } from './ort.js';

/** The characters of the vocabulary, in the order of their ids. */
export const CHARACTERS = ' abcdefghijklmnopqrstuvwxyz';

export interface TextClassifier {
  readonly model: string;
  /** training directory */
  readonly train: string;
  readonly tokenizer: string;
}

export interface TextForm {
  readonly batch?: number | string;
  readonly classes?: number;
  readonly loss?: string;
  /** further words for `emit onnx-train` */
  readonly emit?: readonly string[];
}

/**
 * A classifier of texts in files: ids [batch, seq] and a mask -> mean of embeddings -> hidden layer -> logits
 * [batch, classes], rewritten and emitted.
 */
export async function textClassifier(folder: string, form: TextForm = {}): Promise<TextClassifier> {
  const { batch = 'batch', classes = 3, loss = 'cross-entropy', emit = [] } = form;
  mkdirSync(folder, { recursive: true });
  const graph = new Graph('net');
  const ids = graph.addInput('input_ids', tensorType('i64', [batch, 'seq']));
  const mask = graph.addInput('attention_mask', tensorType('f32', [batch, 'seq']));
  const weight = (name: string, ...shape: readonly number[]) =>
    graph.addInitializer(
      name,
      f32Tensor(
        shape,
        noise(
          shape.reduce((a, b) => a * b, 1),
          name.length,
        ),
      ),
    );
  const op = (name: string, ...inputs: Parameters<typeof graph.append>[0]['inputs']) =>
    graph.append({ op: name.split('/').at(-1)!, name: `/${name}`, inputs, outputs: [`${name}_out`] })
      .outputs[0]!;
  const axis = graph.addInitializer('axis', i64Tensor([1], [2]));
  const rows = op('embed/Gather', weight('embed.weight', CHARACTERS.length, 17), ids);
  const weighted = op('pool/Mul', rows, op('pool/Unsqueeze', mask, axis));
  const one = graph.addInitializer('one', i64Tensor([1], [1]));
  const sum = op('pool/ReduceSum', weighted, one);
  const flat = op('pool/Squeeze', sum, one);
  const hidden = op('Tanh', op('hidden/MatMul', flat, weight('hidden.weight', 17, 19)));
  const logits = op('head/MatMul', hidden, weight('head.weight', 19, classes));
  logits.rename('logits');
  logits.setType(tensorType('f32', [batch, classes]));
  graph.addOutput(logits);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  const path = join(folder, 'model.onnx');
  writeModel(model, path);
  const tokenizer = join(folder, 'vocab.json');
  writeFileSync(tokenizer, JSON.stringify({ type: 'character', chars: CHARACTERS }));
  const rewritten = join(folder, 'model.lotr.onnx');
  await done('rewrite', path, '--rank', '3', '--target', 'all-linear', '--init', 'fan-in', '--scale', '3');
  const train = join(folder, 'train');
  await done('emit', 'onnx-train', rewritten, '-o', train, '--loss', loss, ...emit);
  return { model: path, train, tokenizer };
}

/** Runs a command that must succeed; returns its output. */
export async function done(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await lotrc(...argv);
  if (code !== 0) throw new Error(`lotrc ${argv.join(' ')} ended with ${code}:\n${err}`);
  return out + err;
}

/** Texts that a model can tell apart: each class has its own letters. */
export function records(count: number, names: readonly string[]): { text: string; label: string }[] {
  return Array.from({ length: count }, (_, i) => {
    const kind = i % names.length;
    const letters = CHARACTERS.slice(1 + kind * 8, 9 + kind * 8);
    const text = Array.from({ length: 3 + (i % 11) }, (_, k) => letters[(i * 5 + k * 3) % 8]).join('');
    return { text: `${text} ${CHARACTERS[1 + (i % 26)]}`, label: names[kind]! };
  });
}
