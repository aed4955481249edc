import { readFileSync, writeFileSync } from 'node:fs';
import { inspect, inspectJson } from '../../src/inspect.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../src/ir/onnx/writer.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { verify } from '../../src/ir/verify.js';
import { ALL_PASSES } from '../../src/passes/registry.js';
import { apply, extract, merge, rewrite, strip } from '../../src/rewrite.js';
import type { Steps } from './commands.js';
import type { Files } from './files.js';
import type { Format } from './format.js';
import { mutateModel } from './mutate-proto.js';
import { mutateText } from './mutate-text.js';
import type { Random } from './random.js';

const one = (name: string, bytes: Uint8Array): Files => new Map([[`in/${name}`, bytes]]);

export const onnx: Format = {
  name: 'onnx',
  share: 14,
  file: 'in/input.onnx',
  make: (random, { models }) => one('input.onnx', mutateModel(random, models)),
  exercise: (steps, choose) => exerciseModel(steps, choose, 'input.onnx'),
};

export const onnxtxt: Format = {
  name: 'onnxtxt',
  share: 6,
  file: 'in/input.onnxtxt',
  make: (random, { texts }) =>
    one('input.onnxtxt', Buffer.from(mutateText(random, random.pick(texts), texts))),
  exercise: (steps, choose) => exerciseModel(steps, choose, 'input.onnxtxt'),
};

async function exerciseModel(steps: Steps, choose: Random, path: string): Promise<void> {
  const open = () =>
    path.endsWith('.onnx') ? readModel(path) : parseModel(readFileSync(path, 'utf8'), path);
  const model = steps.try(open);
  if (!model) return;
  const faults = steps.try(() => verify(model));
  const text = steps.try(() => printModel(model));
  if (text !== null) {
    const again = steps.try(() => printModel(parseModel(text, 'printed.onnxtxt')));
    if (again !== null) steps.same('the printed model', text, again);
  }
  for (const { initializers } of model.everyGraph()) {
    for (const { constant } of initializers.values()) if (constant) steps.try(() => drain(constant));
  }
  const bytes = steps.try(() => encodeModel(model, { canonical: true }));
  // the commands refuse a model with faults before they change it
  const sound = faults?.every(({ severity }) => severity !== 'error') ?? false;
  if (bytes && sound) sameWritten(steps, model, bytes);
  steps.try(() => JSON.parse(inspectJson(inspect(open()))));
  // what takes longest is done with a part of them
  if (choose.chance(0.3) && sound) inMemory(steps, open);
  else if (choose.chance(sound ? 0.2 : 0.05)) await byCommands(steps, choose, path);
}

/** A model that is written in full reads as what it was. */
function sameWritten(steps: Steps, model: Model, bytes: Uint8Array): void {
  writeFileSync('../out/written.onnx', bytes);
  const printed = (from: () => Model) => steps.try(() => printModel(from(), { locations: false }));
  const [before, after] = [printed(() => model), printed(() => readModel('../out/written.onnx'))];
  // data files of the model are in the written file
  if (before !== null && after !== null && !before.includes('"location"'))
    steps.same('the written model', before, after);
}

function inMemory(steps: Steps, open: () => Model): void {
  const adapted = '../out/adapted.onnx';
  const adapter = steps.try(() => {
    const changed = open();
    const result = rewrite(changed, { rank: 1, replace: true, targets: ['.*'] });
    writeModel(changed, adapted, { weights: 'copy' });
    return result.adapter;
  });
  if (!adapter) return;
  steps.try(() => extract(readModel(adapted)));
  steps.try(() => apply(open(), adapter));
  steps.try(() => {
    const changed = readModel(adapted);
    merge(changed);
    encodeModel(changed);
  });
  steps.try(() => {
    const changed = readModel(adapted);
    strip(changed);
    encodeModel(changed);
  });
}

/** Options of `rewrite`; several that exclude each other are refused. */
const REWRITE: readonly (readonly string[])[] = [
  ['--method', 'lora'],
  ['--keep-functions'],
  ['--lowering', 'token'],
  ['--factors', 'inputs'],
  ['--factors', 'optional'],
  ['--factor-dtype', 'model'],
  ['--init', 'svd'],
  ['--init', 'svd-factors'],
  ['--init', 'fan-in'],
  ['--share', 'target'],
  ['--share', 'block=1'],
  ['--tie', 'initializer'],
  ['--weights', 'inline'],
  ['--weights', 'link'],
  ['--replace'],
  ['--without-data'],
  ['--json'],
  ['--target', '.*'],
  ['--target', 'all-linear'],
];

const EMIT: readonly (readonly string[])[] = [
  ['--loss', 'mse'],
  ['--loss', 'cross-entropy'],
  ['--shift'],
  ['--also-train', '.*'],
  ['--optimizer', 'sgd'],
  ['--loop', '2'],
  ['--names', 'ort'],
  ['--ep', 'webgpu'],
  ['--recompute', 'block'],
  ['--keep-functions'],
  ['--copy-base'],
  ['--loss', 'cosine'],
  ['--logits', 'y'],
  ['--logits', 'z'],
];

/** A few rows of a table of options, as words. */
const some = (choose: Random, table: readonly (readonly string[])[], part: number): readonly string[] =>
  table.filter(() => choose.chance(part)).flat();

const PASSES = ALL_PASSES.map(({ passName }) => passName).filter((name) => name !== 'select-sites');

async function byCommands(steps: Steps, choose: Random, path: string): Promise<void> {
  const out = (name: string) => `../out/${name}`;
  const command = async (...words: readonly string[]) => (await steps.command(words)).code === 0;
  const choice = choose.below(10);
  if (choice === 0) {
    const { code, out: text } = await steps.command(['inspect', path, '--json', '--check-weights']);
    if (code === 0) JSON.parse(text);
    await command('print', path, '-o', out('printed.onnxtxt'));
  } else if (choice === 1) {
    const passes = Array.from({ length: 1 + choose.below(4) }, () => choose.pick(PASSES)).join(',');
    await command('run', path, '--passes', passes, '-o', out('run.onnx'));
  } else if (choice === 2) {
    await command('merge', path, '-o', out('merged.onnx'));
    await command('strip', path, '-o', out('base.onnx'));
    await command('extract', path, '-o', out('adapter.safetensors'));
  } else {
    const adapted = out('adapted.onnx');
    const options = some(choose, REWRITE, 0.12);
    if (!(await command('rewrite', path, '--rank', '2', ...options, '-o', adapted))) return;
    const adapter = options.includes('inputs') ? ['--adapter', out('adapted.safetensors')] : [];
    if (choice < 6) {
      await command(
        'emit',
        'onnx-train',
        adapted,
        ...some(choose, EMIT, 0.15),
        ...adapter,
        '-o',
        out('train'),
      );
    } else if (choice < 8) {
      const target = choose.pick(['wgsl', 'cuda']);
      await command('emit', target, adapted, '--explain', '--tokens', choose.pick(['1', '64', '1024']));
    } else {
      await command('merge', adapted, ...adapter, '-o', out('merged.onnx'), '--weights', 'inline');
      await command('apply', path, out('adapted.safetensors'), '-o', out('applied.onnx'), '--match', 'path');
    }
  }
}

/** Reads all of a tensor's data, holding none of it. */
export function drain(data: TensorData): void {
  if (data.dtype === 'string') data.strings();
  else data.copyTo({ write: () => undefined });
}
