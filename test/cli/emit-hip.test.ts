import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-emit-hip-'));
const model = join(folder, 'adapted.onnx');
beforeAll(async () => {
  const text = join(folder, 'model.onnxtxt');
  // names of CUDA that are names of the model stay as they are
  writeFileSync(
    text,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 3] x) => (float[batch, 2] y)
< float[3,2] "cudaMalloc.CUDA.weight" = {-0.125, -1.875, -0.875, 0.5, -0.625, -1.75} >
{ ["/cudaMalloc/CUDA/MatMul"] y = MatMul (x, "cudaMalloc.CUDA.weight") }
`,
  );
  await lotrc('rewrite', text, '--rank', '1', '--target', 'CUDA', '-o', model);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('emit hip writes the plan, the library and its kernels, for the requested architectures', async () => {
  const output = join(folder, 'gpu');
  const words = ['emit', 'hip', model, '-o', output, '--tokens', '5', '--arch', 'gfx90a,gfx1100'];
  const done = await lotrc(...words);
  expect(done).toMatchObject({ code: 0, err: '' });
  const names = readdirSync(join(output, 'kernels'));
  const kernels = names.filter((name) => name.endsWith('.hip'));
  expect(names.filter((name) => !kernels.includes(name))).toEqual([
    'bfloat16.h',
    'eight_numbers.h',
    'packed_weights.h',
    'staged_tiles.h',
  ]);
  expect(done.out).toBe(
    `wrote ${kernels.length} kernels, adapters.h, adapters.hip, CMakeLists.txt, adapters_torch.py and plan.txt to ${output}\n`,
  );
  const read = (file: string) => readFileSync(join(output, file), 'utf8');
  const build = read('CMakeLists.txt');
  expect(build).toContain('set(CMAKE_HIP_ARCHITECTURES gfx90a gfx1100)');
  expect(build.indexOf('set(CMAKE_HIP_ARCHITECTURES')).toBeLessThan(build.indexOf('project(lotrc'));
  for (const name of kernels) expect(build).toContain(`  kernels/${name}\n`);
  const source = read('adapters.hip');
  expect(source).toContain('"cudaMalloc.CUDA.weight"');
  expect(source.replaceAll('cudaMalloc.CUDA', '')).not.toMatch(/cuda|__nv_/);
  expect(read('adapters.h')).toContain('LOTRC_HIP = 4');
  // waves are of 32 lanes on some of these devices and of 64 on others
  for (const name of names) expect(read(`kernels/${name}`), name).not.toMatch(/__shfl|__ballot|warp|wave/i);
  await lotrc(...words);
  expect(read('adapters.hip')).toBe(source);
  const explained = await lotrc('emit', 'hip', model, '--explain', '--tokens', '5', '--device', 'mi250x');
  expect(explained.out).toBe(read('plan.txt'));
});

test('LOTR6120: a device or an architecture of another command', async () => {
  const here = await lotrc('emit', 'hip', model, '--explain', '--device', 'h100');
  expect(here).toMatchObject({ code: 1, out: '' });
  expect(here.err).toContain('LOTR6120: h100 is not a device of HIP');
  expect(here.err).toContain('`lotrc emit cuda` writes kernels for it');
  const there = await lotrc('emit', 'cuda', model, '--explain', '--arch', 'sm_80,gfx942');
  expect(there.err).toContain('LOTR6120: gfx942 is not a device of CUDA');
  expect(there.err).toContain('`lotrc emit hip` writes kernels for it');
});

test('what only CUDA has is not an option', async () => {
  for (const option of [['--tf32'], ['--form', 'bordered']])
    expect(await lotrc('emit', 'hip', model, '--explain', ...option)).toMatchObject({ code: 2, out: '' });
});

test('rows of --schedules are of two tiles at most, without matrix units and subgroups', async () => {
  const file = join(folder, 'rows.json');
  const tiles = { BM: 32, BN: 64, BK: 16, TM: 4, TN: 8, vec: 4, stages: 2, warps: 0, splitK: 1 };
  const explained = (change: object) => {
    const row = { target: 'gfx942', dtype: 'f32', family: 'gemm', bucket: 'any', source: 'tuned' };
    writeFileSync(
      file,
      JSON.stringify({ version: 1, rows: [{ ...row, schedule: { ...tiles, ...change } }] }),
    );
    return lotrc(
      'emit',
      'hip',
      model,
      '--explain',
      '--form',
      'split',
      '--tokens',
      '300',
      '--schedules',
      file,
    );
  };
  expect((await explained({})).out).toContain('32x64x16, 4x8 each, 2 stages through registers');
  for (const [change, why] of [
    [{ stages: 3 }, 'HIP has no pipeline of copies: rings are of 2 tiles'],
    [{ warps: 4, TM: 16 }, 'HIP has no matrix units of a warp'],
    [{ subgroups: true, BM: 4, BK: 32, stages: 1 }, 'the device has no subgroups'],
    [{ BM: 256, BN: 512, TM: 16 }, 'bytes of workgroup memory, 65536 allowed'],
  ] as const) {
    const refused = await explained(change);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^error LOTR6007: /);
    expect(refused.err).toContain(why);
  }
});
