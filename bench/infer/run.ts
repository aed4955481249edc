import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { OrtSession } from '../../src/backends/ort/session.js';
import type { OrtFeeds } from '../../src/backends/ort/tensor.js';
import { median } from '../measure.js';
import { writeLlama } from '../train/llama.js';
import { processor } from '../train/processor.js';
import { BASE, writeRoberta } from '../train/roberta.js';

/**
 * `run.js`: what an adapter that is not merged costs. Seconds of a forward pass of an encoder and a decoder in ONNX Runtime: the
 * base, the adapter in each form, and merged. All forms are loaded, and take turns in each round. Beside the clock's seconds those
 * of the processors, which other work on the machine disturbs less; with one thread none of them is spent waiting.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    rounds: { type: 'string', default: '5' },
    layers: { type: 'string', default: '12' },
    seq: { type: 'string', default: '128' },
    batches: { type: 'string', default: '1,16' },
    threads: { type: 'string', default: '2' },
    models: { type: 'string', default: 'encoder,decoder' },
  },
});
const { threads } = values;
const [layers, seq] = [Number(values.layers), Number(values.seq)];
const main = resolve(import.meta.dirname, '../../cli/main.js');
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
for (const name of values.models.split(',')) await overheads(name);

async function overheads(name: string): Promise<void> {
  const { write, targets } = MODELS[name]!;
  const folder = mkdtempSync(join(values.dir, 'lotrc-bench-infer-'));
  const sessions = new Map<string, OrtSession>();
  try {
    const base = join(folder, 'base.onnx');
    write(base);
    const at = (form: string) => join(folder, `${form}.onnx`);
    const chosen = targets.flatMap((target) => ['--target', target]);
    for (const [form, words] of Object.entries(FORMS))
      lotrc('rewrite', base, '--rank', '8', ...chosen, ...words, '--weights', 'link', '-o', at(form));
    lotrc('merge', at('fold'), '-o', at('merged'));
    for (const form of ['base', ...Object.keys(FORMS), 'merged'])
      sessions.set(form, await OrtSession.open(at(form), { threads: Number(threads) }));
    for (const batch of values.batches.split(',').map(Number)) await compare(name, sessions, batch);
  } finally {
    for (const session of sessions.values()) await session.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(
  name: string,
  sessions: ReadonlyMap<string, OrtSession>,
  batch: number,
): Promise<void> {
  const ids = BigInt64Array.from({ length: batch * seq }, (_, i) => BigInt(5 + ((i * 7919) % 30000)));
  const whole = { type: 'int64', dims: [batch, seq] } as const;
  const feeds: OrtFeeds = {
    input_ids: { ...whole, data: ids },
    attention_mask: { ...whole, data: ids.map(() => 1n) },
  };
  const rows = [...sessions].map(([form, session]) => ({
    form,
    session,
    seconds: [] as number[],
    busy: [] as number[],
  }));
  // the first round warms up; each starts with another form
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (let k = 0; k < rows.length; k++) {
      const { session, seconds, busy } = rows[(round + k) % rows.length]!;
      const [start, before] = [performance.now(), process.cpuUsage()];
      await session.run(feeds);
      const { user, system } = process.cpuUsage(before);
      if (round === 0) continue;
      seconds.push((performance.now() - start) / 1000);
      busy.push((user + system) / 1e6);
    }
  }
  console.log(`${name}, batch ${batch}`);
  const [base] = rows;
  for (const { form, seconds, busy } of rows) {
    const paired = median(seconds.map((value, i) => value / base!.seconds[i]!));
    const least = Math.min(...busy);
    console.log(
      `  ${form.padEnd(10)} ${median(seconds).toFixed(4)} s (least ${Math.min(...seconds).toFixed(4)}), ${percent(paired)} over the base in the same round; processors ${least.toFixed(4)} s at least, ${percent(least / Math.min(...base!.busy))}`,
    );
  }
}

function percent(ratio: number): string {
  return `${(100 * (ratio - 1)).toFixed(1)} %`;
}

function lotrc(...args: readonly string[]): void {
  const done = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`lotrc ${args.join(' ')} failed:\n${done.stderr}`);
}
