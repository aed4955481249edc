import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { main } from '../cli/program.js';
import { matrixProduct } from '../src/init/dense.js';
import { normalQuantile } from '../src/init/normal.js';
import { RandomStream } from '../src/init/rng.js';
import { writeSafetensors } from '../src/ir/files/safetensors.js';
import { ComputedTensor, type TensorData } from '../src/ir/tensor.js';
import { encodeFloats } from '../src/ir/values.js';

/**
 * How long `lotrc compress` takes for many LoRA adapters of a llama of 1.1B parameters, and how much memory: rank 16 on q_proj and
 * v_proj of 22 layers, in one space of 24 dimensions.
 *
 *     node dist/bench/compress.js [ADAPTERS]      100 by default; they take 9 MB each in a temporary folder
 */
const adapters = Number(process.argv[2] ?? 100);
const [LAYERS, RANK, SPACE] = [22, 16, 24];
const SHAPES = { q_proj: [2048, 2048], v_proj: [2048, 256] } as const;

const folder = mkdtempSync(join(tmpdir(), 'lotrc-compress-'));
try {
  const started = performance.now();
  const spaces: Spaces = Object.fromEntries(
    Object.entries(SHAPES).map(([name, [inn, out]]) => [
      name,
      [normals(SPACE, inn, name), normals(SPACE, out, `${name}/out`)] as const,
    ]),
  );
  const folders = Array.from({ length: adapters }, (_, n) => write(n, spaces));
  console.log(`${adapters} adapters written in ${seconds(started)} s`);
  const [before, used] = [performance.now(), process.cpuUsage()];
  const io = {
    out: (text: string) => process.stdout.write(text.slice(0, 900)),
    err: (text: string) => process.stderr.write(text),
  };
  const code = await main(['compress', ...folders, '--tolerance', '1e-2', '-o', join(folder, 'fleet')], io);
  console.log(
    `\nexit code ${code}, ${seconds(before)} s, of which ${(process.cpuUsage(used).user / 1e6).toFixed(1)} s of a core, at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
  );
} finally {
  rmSync(folder, { recursive: true });
}

type Spaces = Readonly<Record<string, readonly [Float64Array, Float64Array]>>;

function write(n: number, spaces: Spaces): string {
  const target = join(folder, `adapter-${n}`);
  mkdirSync(target);
  const tensors = new Map<string, TensorData>();
  for (const [name, [inn, out]] of Object.entries(SHAPES)) {
    for (let layer = 0; layer < LAYERS; layer++) {
      const key = `base_model.model.model.layers.${layer}.self_attn.${name}.lora_`;
      const [a, b] = spaces[name]!;
      const inside = (side: string, rows: number, columns: number) =>
        normals(rows, columns, `${n}/${layer}/${name}/${side}`);
      tensors.set(
        `${key}A.weight`,
        made([RANK, inn], () => matrixProduct(inside('a', RANK, SPACE), a, RANK, SPACE, inn)),
      );
      tensors.set(
        `${key}B.weight`,
        made([out, RANK], () => {
          const rows = matrixProduct(inside('b', RANK, SPACE), b, RANK, SPACE, out);
          return rows.map((_, at) => rows[(at % RANK) * out + Math.floor(at / RANK)]!);
        }),
      );
    }
  }
  writeSafetensors(join(target, 'adapter_model.safetensors'), tensors);
  const config = { peft_type: 'LORA', r: RANK, lora_alpha: RANK, target_modules: Object.keys(SHAPES) };
  writeFileSync(join(target, 'adapter_config.json'), JSON.stringify(config));
  return target;
}

function made(shape: readonly number[], values: () => Float64Array): TensorData {
  return new ComputedTensor('f32', shape, 'bench', () => encodeFloats('f32', values()));
}

function normals(rows: number, columns: number, name: string): Float64Array {
  const random = new RandomStream(7, name);
  return Float64Array.from({ length: rows * columns }, (_, at) => normalQuantile(random.uniform(at)));
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
