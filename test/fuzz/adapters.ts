import { readFileSync } from 'node:fs';
import { readPeft } from '../../src/interop/peft-read.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { type Gguf, ggufOutput, readGguf } from '../../src/ir/files/gguf.js';
import { readOnnxAdapter, writeOnnxAdapter } from '../../src/ir/files/onnx-adapter.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { type Adapter, apply, merge, placeAdapter } from '../../src/rewrite.js';
import type { Steps } from './commands.js';
import type { Content } from './files.js';
import type { Format } from './format.js';
import { drain } from './models.js';
import { mutateJson } from './mutate-json.js';
import { mutateFlat, mutateSafetensors } from './mutate-text.js';
import { aLink, changedBytes } from './values.js';

const INPUT = 'input.safetensors';

export const safetensors: Format = {
  name: 'safetensors',
  share: 8,
  file: `in/${INPUT}`,
  make(random, { adapters }) {
    const { model, file } = random.pick(adapters);
    return new Map([
      ['in/base.onnx', model],
      [`in/${INPUT}`, mutateSafetensors(random, file)],
    ]);
  },
  async exercise(steps, choose, files) {
    const read = steps.try(() => readSafetensors(INPUT));
    if (!read) return;
    if (drained(steps, read.tensors)) {
      const again = '../out/again.safetensors';
      const written = steps.try(() => {
        writeSafetensors(again, read.tensors, read.metadata);
        return readSafetensors(again);
      });
      if (written) steps.same('the written file', tensorsText(read), tensorsText(written));
    }
    if (!files.has('in/base.onnx')) return;
    const base = () => readModel('base.onnx');
    const how = choose.below(10);
    if (how < 4) return;
    if (how < 8) {
      steps.try(() => {
        const model = base();
        apply(model, readSafetensors(INPUT));
        encodeModel(model);
      });
      steps.try(() => merge(base(), readSafetensors(INPUT)));
      steps.try(() => placeAdapter(base(), readSafetensors(INPUT), INPUT));
      return;
    }
    const match = choose.pick(['weights', 'path']);
    await steps.command(['apply', 'base.onnx', INPUT, '--match', match, '-o', '../out/applied.onnx']);
    await steps.command(['merge', 'base.onnx', '--adapter', INPUT, '-o', '../out/merged.onnx', '--json']);
  },
};

export const onnxAdapter: Format = {
  name: 'onnx_adapter',
  share: 6,
  file: 'in/input.onnx_adapter',
  make: (random, { flat }) => new Map([['in/input.onnx_adapter', mutateFlat(random, random.pick(flat))]]),
  async exercise(steps) {
    const read = steps.try(() => readOnnxAdapter('input.onnx_adapter'));
    if (!read || !drained(steps, read.tensors)) return;
    const again = '../out/again.onnx_adapter';
    const versions = { adapter: read.adapterVersion, model: read.modelVersion };
    const written = steps.try(() => {
      writeOnnxAdapter(again, read.tensors, versions);
      return readOnnxAdapter(again);
    });
    const text = ({ adapterVersion, modelVersion, tensors }: typeof read) =>
      `${adapterVersion} ${modelVersion} ${tensorsText({ tensors, metadata: {} })}`;
    if (written) steps.same('the written file', text(read), text(written));
  },
};

/** Files of llama.cpp: adapters are read, models are recognised and refused wherever a model or an adapter is taken. */
export const gguf: Format = {
  name: 'gguf',
  share: 3,
  file: 'in/input.gguf',
  make: (random, { ggufs, adapted }) =>
    new Map([
      ['in/input.gguf', changedBytes(random, random.pick(ggufs))],
      ['in/base.onnx', adapted[0]!],
    ]),
  async exercise(steps) {
    const bytes = readFileSync('input.gguf');
    for (const words of [
      ['inspect', 'input.gguf'],
      ['merge', 'base.onnx', '--adapter', 'input.gguf', '-o', '../out/merged.onnx'],
    ]) {
      const { code } = await steps.command(words);
      if (code === 0 && bytes.toString('latin1', 0, 4) === 'GGUF') {
        throw new Error(`${words.join(' ')} took a GGUF file`);
      }
    }
    const read = steps.try(() => readGguf('input.gguf'));
    if (read && drained(steps, read.tensors)) {
      const again = '../out/again.gguf';
      const metadata = new Map(
        [...read.metadata].flatMap(([key, value]) => (value.type === 'other' ? [] : [[key, value]])),
      );
      const tensors = new Map([...read.tensors].filter(([, { dtype }]) => dtype === 'f32'));
      // an alignment of its own is not the writer's
      metadata.delete('general.alignment');
      const written = steps.try(() => {
        writeAtomically([ggufOutput(again, metadata, tensors)]);
        return readGguf(again);
      });
      const text = (entries: Gguf['metadata'], held: Gguf['tensors']) =>
        `${JSON.stringify([...entries])} ${tensorsText({ tensors: new Map(held), metadata: {} })}`;
      if (written)
        steps.same('the written file', text(metadata, tensors), text(written.metadata, written.tensors));
    }
    const size = ['--model', 'base.onnx', '--head-size', '4'];
    await steps.command(['convert', 'input.gguf', '../out/converted', ...size]);
  },
};

const PEFT = 'in/peft';

export const peft: Format = {
  name: 'peft',
  share: 6,
  make(random, { peft: seeds }) {
    const { config, weights } = random.pick(seeds);
    const files = new Map<string, Content>();
    const what = random.below(10);
    const others = seeds.map((seed) => seed.config);
    const text = what < 6 ? mutateJson(random, config, others) : Buffer.from(config.text);
    files.set(`${PEFT}/adapter_config.json`, what === 9 ? aLink(random) : text);
    const bytes = what > 3 && what < 9 ? mutateSafetensors(random, weights) : weights;
    const name = random.chance(0.03) ? 'adapter_model.bin' : 'adapter_model.safetensors';
    files.set(`${PEFT}/${name}`, random.chance(0.02) ? { link: '../w.bin' } : bytes);
    return files;
  },
  async exercise(steps) {
    for (const { factors } of steps.try(() => readPeft('peft'))?.layers ?? []) {
      for (const data of factors) steps.try(() => drain(data));
    }
  },
};

/** Whether all data can be read. */
function drained(steps: Steps, tensors: ReadonlyMap<string, TensorData>): boolean {
  const before = steps.codes.length;
  for (const data of tensors.values()) steps.try(() => drain(data));
  return steps.codes.length === before;
}

/** Everything that a file of tensors says. */
function tensorsText({ tensors, metadata }: Adapter): string {
  const rows = [...tensors].map(([name, data]) => {
    const bytes = data.dtype === 'string' ? '' : Buffer.from(data.bytes()).toString('base64');
    return [name, data.dtype, data.shape, bytes];
  });
  return JSON.stringify([Object.entries(metadata).sort(), rows]);
}
