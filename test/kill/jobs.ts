import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graph, Model } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { done, records, textClassifier } from '../support/classifier.js';
import { writeJsonl } from '../support/reading.js';
import { digest } from './checks.js';
import { runCommand } from './command.js';

/** What is killed: command lines that write the same files of a folder. */
export interface Job {
  readonly name: string;
  /** each writes other contents; `train` has one, which goes on with what is there */
  readonly commands: readonly ((out: string) => readonly string[])[];
  /** the outputs whose bytes are known in advance; of other jobs these are all */
  readonly compared: RegExp;
  /** whether processes of the command write the outputs, so that these are killed too, half of the times */
  readonly others?: boolean;
}

/** What an undisturbed command writes, and how long that takes. */
export interface Undisturbed {
  readonly files: ReadonlyMap<string, string>;
  ms: number;
  /** changes that are seen in the folder */
  readonly changes: number;
}

/** A job with what each of its commands writes. */
export interface Measured extends Job {
  readonly undisturbed: readonly Undisturbed[];
}

const ANY = /./;
const RANKS = ['2', '5'] as const;

/** Makes the inputs of all jobs in a folder. The last job writes more than 64 MiB. */
export async function makeJobs(root: string): Promise<readonly Job[]> {
  const net = await textClassifier(join(root, 'net'));
  const data = writeJsonl(join(root, 'data.jsonl'), records(60, ['a', 'b', 'c']));
  const rewritten: string[] = [];
  for (const rank of RANKS) {
    mkdirSync(join(root, rank));
    rewritten.push(join(root, rank, 'net.onnx'));
    await done('rewrite', net.model, '--rank', rank, '--init', 'fan-in', '-o', rewritten.at(-1)!);
  }
  const large = join(root, 'large.onnx');
  writeLarge(large);
  const onBoth = (words: (file: string, out: string) => readonly string[]) =>
    rewritten.map((file) => (out: string) => words(file, out));
  const rewrites = (model: string, ...more: readonly string[]) =>
    RANKS.map((rank) => (out: string) => [
      'rewrite',
      model,
      '--rank',
      rank,
      '-o',
      join(out, 'out.onnx'),
      ...more,
    ]);
  const training = ['--data', data, '--tokenizer', net.tokenizer, '--eval-split', '0.2', '--batch-size', '8'];
  const plan = [
    '--epochs',
    '40',
    '--lr',
    '0.03',
    '--schedule',
    'cosine',
    '--warmup',
    '0.1',
    '--threads',
    '1',
  ];
  return [
    { name: 'rewrite', commands: rewrites(net.model), compared: ANY },
    {
      name: 'merge',
      commands: onBoth((file, out) => ['merge', file, '-o', join(out, 'out.onnx')]),
      compared: ANY,
    },
    {
      name: 'apply',
      commands: onBoth((file, out) => [
        'apply',
        net.model,
        file.replace('.onnx', '.safetensors'),
        '-o',
        join(out, 'out.onnx'),
      ]),
      compared: ANY,
    },
    {
      name: 'emit onnx-train',
      // of one model, whose file both put into the folder
      commands: ['adamw', 'sgd'].map((optimizer) => (out: string) => [
        'emit',
        'onnx-train',
        rewritten[0]!,
        '--optimizer',
        optimizer,
        '-o',
        out,
      ]),
      compared: ANY,
    },
    {
      name: 'train',
      commands: [
        (out) => ['train', net.train, ...training, ...plan, '--checkpoint-every', '4', '--resume', '-o', out],
      ],
      compared: /^(checkpoint|best|adapter)\.safetensors$/,
    },
    {
      name: 'build',
      commands: RANKS.map((rank) => (out: string) => {
        const config = `${out}-${rank}.json`;
        const outputs = ['onnx', 'adapter', 'merged'];
        const model = {
          input: net.model,
          output: out,
          outputs,
          rewrite: { rank: Number(rank), init: 'fan-in' },
        };
        writeFileSync(config, JSON.stringify({ models: { net: model } }));
        return ['build', '--config', config, '--cache', `${out}.cache`];
      }),
      compared: ANY,
      others: true,
    },
    {
      name: 'rewrite of a large model',
      commands: rewrites(large, '--target', 'layer', '--weights', 'copy'),
      compared: ANY,
    },
  ];
}

/** Runs each command of a job once, without disturbance. */
export async function measure(job: Job, root: string): Promise<Measured> {
  const undisturbed: Undisturbed[] = [];
  for (const [index, command] of job.commands.entries()) {
    const out = join(root, `${job.name}-${index}`);
    mkdirSync(out);
    const { changes, ms, ended, errors } = await runCommand(command(out), out, null);
    if (ended !== 0) throw new Error(`${job.name} ended with ${ended}: ${errors}`);
    const files = new Map(readdirSync(out).map((name) => [name, digest(join(out, name))]));
    undisturbed.push({ files, ms, changes });
  }
  return { ...job, undisturbed };
}

/** One product with a weight of 68 MiB. */
function writeLarge(path: string): void {
  const [rows, columns] = [4352, 4096];
  const graph = new Graph('large');
  const x = graph.addInput('x', tensorType('f32', ['n', rows]));
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < values.length; i++) values[i] = ((i * 37) % 101) / 101 - 0.5;
  const weight = graph.addInitializer('layer.weight', f32Tensor([rows, columns], values));
  const node = graph.append({ op: 'MatMul', name: '/layer/MatMul', inputs: [x, weight], outputs: ['y'] });
  const y = node.outputs[0]!;
  y.setType(tensorType('f32', ['n', columns]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.setOpset('', 17);
  writeModel(model, path);
}
