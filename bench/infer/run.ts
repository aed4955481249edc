import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { alternate } from '../alternate.js';
import { lotrc } from '../lotrc.js';
import { writeLlama } from '../train/llama.js';
import { processor } from '../train/processor.js';
import { BASE, writeRoberta } from '../train/roberta.js';

/**
 * `run.js`: what an adapter that is not merged costs. Seconds of a forward pass of an encoder and a decoder in ONNX Runtime: the
 * base, the adapter in each form, and merged. Every number is a process of its own: two sessions of one model in one process
 * differ by a tenth, as their memory lies. `base again` tells what differences say nothing.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    repeat: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    layers: { type: 'string', default: '12' },
    seq: { type: 'string', default: '128' },
    batches: { type: 'string', default: '1,16' },
    threads: { type: 'string', default: '2' },
    models: { type: 'string', default: 'encoder,decoder' },
  },
});
const { threads } = values;
const [layers, seq] = [Number(values.layers), Number(values.seq)];
mkdirSync(values.dir, { recursive: true });

const MODELS: Readonly<Record<string, { write(path: string): void; readonly targets: readonly string[] }>> = {
  encoder: {
    write: (path) => writeRoberta(path, { ...BASE, layers }),
    targets: ['query', 'value'],
  },
  decoder: {
    write: (path) =>
      writeLlama(path, {
        ...{ blocks: layers, width: 768, inner: 2048, heads: 12, groups: 12 },
        vocabulary: 32000,
      }),
    targets: ['q_proj', 'v_proj'],
  },
};

/** Words for `rewrite`. */
const FORMS: Readonly<Record<string, readonly string[]>> = {
  fold: ['--lowering', 'fold'],
  token: ['--lowering', 'token'],
  functions: ['--keep-functions'],
};

console.log(`${processor()}; ${threads} threads; ${layers} layers, ${seq} tokens, rank 8`);
for (const name of values.models.split(',')) overheads(name);

function overheads(name: string): void {
  const { write, targets } = MODELS[name]!;
  const folder = mkdtempSync(join(values.dir, 'lotrc-bench-infer-'));
  try {
    const at = (form: string) => join(folder, `${form}.onnx`);
    write(at('base'));
    const chosen = targets.flatMap((target) => ['--target', target]);
    for (const [form, words] of Object.entries(FORMS))
      lotrc('rewrite', at('base'), '--rank', '8', ...chosen, ...words, '--weights', 'link', '-o', at(form));
    lotrc('merge', at('fold'), '-o', at('merged'));
    const program = join(import.meta.dirname, 'forward.js');
    const column = (who: string, form: string, batch: string) => ({
      who,
      command: [process.execPath, program, at(form), values.runs, batch, values.seq, threads],
    });
    const forms = [...Object.keys(FORMS), 'merged'];
    for (const batch of values.batches.split(',')) {
      const columns = [
        column('base', 'base', batch),
        column('base again', 'base', batch),
        ...forms.map((form) => column(form, form, batch)),
      ];
      alternate({ name: `${name}, batch ${batch}`, columns }, Number(values.repeat));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
