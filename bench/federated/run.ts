/**
 * `npm run federated -- FOLDER`: a simulation of federated tuning, whose numbers docs/scale.md has. A thousand clients with a few sentences
 * each train the core M of LoTR and the head on their own; a server averages what they send. Needs minutes.
 */
import { join, resolve } from 'node:path';
import { RandomStream } from '../../src/init/rng.js';
import { defaultsOf } from '../../src/options/define.js';
import { HeldBatches } from '../../src/train/batch-source.js';
import type { Dataset } from '../../src/train/data/dataset.js';
import { openData } from '../../src/train/data/open.js';
import { evaluateDataset } from '../../src/train/evaluate.js';
import { feedsOf } from '../../src/train/feeds.js';
import { graphOf } from '../../src/train/graph-of.js';
import { signatureTerms } from '../../src/train/labels.js';
import { TRAIN } from '../../src/train/option-set.js';
import { TrainingRun } from '../../src/train/run.js';
import { cutOf } from '../../src/train/run-data.js';
import type { HeldTensors } from '../../src/train/runner/runner.js';
import { readingOf } from '../../src/train/values.js';
import { LOTRC, lotrc } from '../lotrc.js';

const [folder = 'federated'] = process.argv.slice(2);
const ROOT = resolve(LOTRC, '../../..');
const MODEL = join(ROOT, 'models/sentiment');
const DATA = join(ROOT, 'bench/quality/data');

const CLIENTS = 1000;
const SENTENCES = 4;
const LOCAL_STEPS = 4;
const RATE = 1e-3;
const ROUNDS = 12;
const PER_ROUND = 50;
/** updates that others have sent since a client took its parameters, at most */
const STALE = 200;
const SEED = 1;

const [model, train] = [join(folder, 'model.lotr.onnx'), join(folder, 'train')];
const chosen = ['--target', 'q_proj', '--target', 'v_proj', '--rank', '23', '--scale', '23'];
lotrc('rewrite', join(MODEL, 'sentiment.onnx'), ...chosen, '-o', model);
lotrc('emit', 'onnx-train', model, '-o', train, '--train', 'M', '--also-train', '^cls');
const run = TrainingRun.open(train, { inProcess: true, threads: 1 });
const { signature } = run;
const start = new Map(
  [...(await run.held(null))].map(([name, { dims, data }]) => [name, { dims, data: data.slice() }]),
);
const trained = signature.params.filter(({ trainable }) => trainable).map(({ name }) => name);
const numbers = trained.reduce((sum, name) => sum + start.get(name)!.data.length, 0);

const reading = { ...readingOf(defaultsOf(TRAIN)), tokenizer: join(MODEL, 'tokenizer.json'), maxLength: 40 };
const open = async (file: string) => (await openData(join(DATA, file), signature, reading, null)).dataset;
const [data, test] = [await open('era.train.csv'), await open('era.test.csv')];
const cut = cutOf(signature, data, 16, new Map(), false);
const graph = graphOf(signature, train, 'step');
const random = new RandomStream(SEED, 'bench.federated');
let drawn = 0;
const draw = (below: number) => Math.floor(random.uniform(drawn++) * below);

const classOf = (of: Dataset, row: number) => of.batch([row]).labels.data[0]!;
const byClass = [0, 1].map((kind) =>
  Array.from({ length: data.size }, (_, row) => row).filter((row) => classOf(data, row) === kind),
);
const all = Array.from({ length: data.size }, (_, row) => row);
/** Clients that draw their sentences from lists, in turn. */
const clientsOf = (...lists: readonly (readonly number[])[]) =>
  Array.from({ length: CLIENTS }, (_, client) => {
    const list = lists[client % lists.length]!;
    return Int32Array.from({ length: SENTENCES }, () => list[draw(list.length)]!);
  });
const clients = clientsOf(all);
const oneClass = clientsOf(...byClass);

type Parameters = Map<string, Float32Array>;
const parametersOf = (held: HeldTensors): Parameters =>
  new Map(trained.map((name) => [name, held.get(name)!.data.slice()]));

/** Puts parameters into the run, with an optimizer that has taken no step. */
function begin(parameters: Parameters): void {
  const fresh = [...start].map(
    ([name, { dims, data: first }]) =>
      [name, { dims, data: (parameters.get(name) ?? first).slice() }] as const,
  );
  run.hold(new Map(fresh));
  run.t = 0;
}

const step = (rows: ArrayLike<number>, rate: number) =>
  run.step(feedsOf(graph, cut.inputs, data.batch(rows), signatureTerms(signature)), rate);

/** What a client sends: its parameters after some steps, less those that it was given. */
async function update(rows: Int32Array, parameters: Parameters): Promise<Parameters> {
  begin(parameters);
  for (let i = 0; i < LOCAL_STEPS; i++) await step(rows, RATE);
  const after = parametersOf(await run.held(trained));
  for (const [name, values] of after) {
    const before = parameters.get(name)!;
    for (const i of values.keys()) values[i] = values[i]! - before[i]!;
  }
  return after;
}

function add(to: Parameters, of: Parameters, weight: number): void {
  for (const [name, values] of to) {
    const more = of.get(name)!;
    for (const i of values.keys()) values[i] = values[i]! + weight * more[i]!;
  }
}

const copyOf = (parameters: Parameters): Parameters =>
  new Map([...parameters].map(([name, values]) => [name, values.slice()]));

async function told(what: string, parameters: Parameters): Promise<void> {
  begin(parameters);
  const { loss, accuracy } = await evaluateDataset(run, test, cut);
  console.log(`${what.padEnd(46)} loss ${loss.toFixed(3)}  accuracy ${((accuracy ?? 0) * 100).toFixed(1)} %`);
}

const first = parametersOf(start);
console.log(`${numbers} trained numbers: ${4 * numbers} bytes to a client and as many back`);
await told('before', first);

begin(first);
const source = new HeldBatches(data, cut, SEED);
for (let i = 0; i < 150; i++) {
  const [batch] = await source.take(Math.floor(i / source.batches), i % source.batches, 1);
  await step(batch!.rows, 2e-3 * (1 - i / 150));
}
await told('together: 150 steps of 16', parametersOf(await run.held(trained)));

for (const [what, group] of [
  ['averaged in rounds', clients],
  ['the same, clients of one class', oneClass],
] as const) {
  const averaged = copyOf(first);
  for (let round = 1; round <= ROUNDS; round++) {
    const sum = new Map([...averaged].map(([name, values]) => [name, new Float32Array(values.length)]));
    for (let i = 0; i < PER_ROUND; i++)
      add(sum, await update(group[draw(CLIENTS)]!, averaged), 1 / PER_ROUND);
    add(averaged, sum, 1);
    if (round % 4 === 0) await told(`${what}: round ${round} of ${PER_ROUND} clients`, averaged);
  }
}

for (const damped of [false, true]) {
  const server = copyOf(first);
  const past = [copyOf(server)];
  for (let sent = 1; sent <= ROUNDS * PER_ROUND; sent++) {
    const stale = Math.min(past.length - 1, draw(STALE + 1));
    const made = await update(clients[draw(CLIENTS)]!, past[past.length - 1 - stale]!);
    add(server, made, (damped ? (1 + stale) ** -0.5 : 1) / PER_ROUND);
    past.push(copyOf(server));
    if (past.length > STALE + 1) past.shift();
    if (sent % (4 * PER_ROUND) === 0)
      await told(`one by one${damped ? ', old ones weigh less' : ''}: ${sent} updates`, server);
  }
}
await run.close();
