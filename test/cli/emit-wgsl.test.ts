import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { writeFolder } from '../../cli/folder.js';
import { lotrc } from '../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-emit-wgsl-'));
afterAll(() => rmSync(folder, { recursive: true }));
const model = join(folder, 'adapted.onnx');

test('emit wgsl writes the plan, the module and its kernels, and says what is missing', async () => {
  const text = join(folder, 'model.onnxtxt');
  writeFileSync(
    text,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 3] x) => (float[batch, 2] y)
< float[3,2] "proj.weight" = {-0.125, -1.875, -0.875, 0.5, -0.625, -1.75} >
{ ["/proj/MatMul"] y = MatMul (x, "proj.weight") }
`,
  );
  expect(await lotrc('rewrite', text, '--rank', '1', '--target', 'proj', '-o', model)).toMatchObject({
    code: 0,
  });
  const output = join(folder, 'gpu');
  const done = await lotrc('emit', 'wgsl', model, '-o', output, '--tokens', '5');
  expect(done).toMatchObject({ code: 0, err: '' });
  const kernels = readdirSync(join(output, 'kernels'));
  expect(done.out).toBe(`wrote ${kernels.length} kernels, index.ts and plan.txt to ${output}\n`);
  expect(readdirSync(output).sort()).toEqual(['index.ts', 'kernels', 'plan.txt']);
  const host = readFileSync(join(output, 'index.ts'), 'utf8');
  for (const name of kernels) {
    expect(host).toContain(readFileSync(join(output, 'kernels', name), 'utf8').trim());
  }
  const serving = join(folder, 'serve');
  await lotrc('emit', 'wgsl', model, '-o', serving, '--tokens', '5', '--for', 'serve', '--merge');
  expect(readdirSync(join(serving, 'kernels'))).toEqual(
    expect.arrayContaining(['merge_W_0.wgsl', 'unmerge_W_0.wgsl', 'merged_0.wgsl']),
  );
  expect(readFileSync(join(serving, 'plan.txt'), 'utf8')).toContain('into the weights');
  // the same again gives the same
  await lotrc('emit', 'wgsl', model, '-o', output, '--tokens', '5');
  expect(readFileSync(join(output, 'index.ts'), 'utf8')).toBe(host);
});

test('emit wgsl --subgroups writes kernels that sum over subgroups, and says so', async () => {
  const output = join(folder, 'subgroups');
  const write = (...more: string[]) => lotrc('emit', 'wgsl', model, '-o', output, '--tokens', '2', ...more);
  expect(await write('--subgroups')).toMatchObject({ code: 0, err: '' });
  const text = (path: string) => readFileSync(join(output, path), 'utf8');
  expect(text('kernels/down_0.wgsl')).toMatch(/^enable subgroups;$/m);
  expect(text('index.ts')).toMatch(/FEATURES: readonly GPUFeatureName\[\] = \[\s*'subgroups',?\s*\]/);
  expect(text('plan.txt')).toContain('inner over 64 invocations, subgroups');
  expect(await write()).toMatchObject({ code: 0 });
  for (const path of ['kernels/down_0.wgsl', 'index.ts', 'plan.txt'])
    expect(text(path)).not.toMatch(/enable subgroups|subgroupAdd|'subgroups'|, subgroups/);
});

test('emit wgsl --accumulate f16 adds products up in float16 within tiles, in products over tokens alone', async () => {
  const [text, wide] = [join(folder, 'wide.onnxtxt'), join(folder, 'wide.onnx')];
  writeFileSync(
    text,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 8] x) => (float[batch, 4] y)
< float[8,4] "proj.weight" = {${Array.from({ length: 32 }, (_, k) => k / 8 - 1.5).join(', ')}} >
{ ["/proj/MatMul"] y = MatMul (x, "proj.weight") }
`,
  );
  await lotrc('rewrite', text, '--rank', '4', '--target', 'proj', '-o', wide);
  const explain = (...more: string[]) =>
    lotrc('emit', 'wgsl', wide, '--explain', '--tokens', '65', '--form', 'split', ...more);
  const { code, out } = await explain('--dtype', 'f16', '--accumulate', 'f16');
  expect(code).toBe(0);
  const lines = out.split('\n').filter((line) => line.includes('sums of 16 in float16'));
  expect(lines.map((line) => line.trim().split(' ')[0])).toEqual(['skinny', 'gemm', 'skinny', 'gemm']);
  expect((await explain('--dtype', 'f16')).out).not.toContain('in float16');
  expect((await explain('--accumulate', 'f16')).err).toContain('--accumulate f16 is for --dtype f16');
});

test('emit wgsl --subgroup-matrix multiplies matrices in subgroups, and says where it does not', async () => {
  const [text, wide] = [join(folder, 'matrices.onnxtxt'), join(folder, 'matrices.onnx')];
  const weight = Array.from({ length: 32 }, (_, k) => k / 8 - 1.5).join(', ');
  writeFileSync(
    text,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 8] x) => (float[batch, 4] y)
< float[8,4] "proj.weight" = {${weight}} >
{ ["/proj/MatMul"] y = MatMul (x, "proj.weight") }
`,
  );
  await lotrc('rewrite', text, '--rank', '4', '--target', 'proj', '-o', wide);
  const output = join(folder, 'matrices');
  const write = (...more: string[]) =>
    lotrc('emit', 'wgsl', wide, '-o', output, '--form', 'split', '--subgroup-matrix', ...more);
  expect(await write('f16-8x8x8', '--dtype', 'f16', '--tokens', '65')).toMatchObject({ code: 0, err: '' });
  const made = (path: string) => readFileSync(join(output, path), 'utf8');
  for (const name of ['layer_0', 'dx_0'])
    expect(made(`kernels/${name}.wgsl`)).toMatch(/^enable chromium_experimental_subgroup_matrix;$/m);
  expect(made('kernels/down_0.wgsl')).not.toContain('subgroup');
  expect(made('plan.txt')).toContain('4 subgroups, matrices f16-8x8x8');
  expect(made('index.ts')).toContain("resultComponentType: 'f32'");
  await write('f16-8x8x8', '--dtype', 'f16', '--accumulate', 'f16', '--tokens', '65');
  expect(made('index.ts')).toContain("resultComponentType: 'f16'");
  expect((await write('f32-8x8x8', '--tokens', '1')).err).toMatch(
    /warning LOTR6143: with 1 tokens no launch .* matrices f32-8x8x8/,
  );
  expect((await write('f16-8x8x8')).err).toContain('multiplies f16: the operands are f32');
  const record = join(folder, 'device.json');
  const profile = { name: 'webgpu-laptop', flops: { f16: 1 }, features: ['f32 to f32, 8x8x8'], tiles: [] };
  const limits = { workgroupBytes: 16384, invocations: 256, storageBuffers: 8 };
  writeFileSync(
    record,
    JSON.stringify({ version: 1, adapter: 'a device', unsafe: [], profile: { ...profile, ...limits } }),
  );
  expect((await write('f16-8x8x8', '--dtype', 'f16', '--device', record)).err).toMatch(
    /LOTR6142: the record of webgpu-laptop .* f16 to f32, 8x8x8 .*\(it has f32 to f32, 8x8x8\)/,
  );
});

test.each([
  [['--tokens', '5'], '-o FOLDER is missing'],
  [['-o', 'x', '--tokens', '1,5'], 'one number of tokens'],
  [['-o', 'x', '--json'], '--json is for --explain'],
  [['-o', 'x', '--merge'], '--merge is for serving one adapter'],
  [['-o', 'x', '--for', 'serve', '--merge', '--adapters', '3'], 'leave --adapters out'],
  [['-o', ''], '-o FOLDER is missing'],
  [['-o', 'x', '--segments'], '--segments is for serving: add --for serve'],
  [['-o', 'x', '--segments', '--for', 'serve', '--adapters', '2'], 'leave --adapters out'],
  [['-o', 'x', '--segments', '--for', 'serve', '--max-rank', '2'], 'leave --max-rank out'],
  [['--explain', '--segments'], 'leave --explain out'],
])('emit wgsl %j is refused', async (options, why) => {
  const refused = await lotrc('emit', 'wgsl', model, ...options);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(why);
});

test.each([
  [['--tokens', '4294967296'], /LOTR6008: this plan cannot be written: P_0 has 4\.29 G elements/],
  [['--for', 'serve', '--adapters', '9000000000'], /LOTR6008.*elements/],
])('emit wgsl %j writes nothing', async (options, why) => {
  const output = join(folder, 'beyond');
  const refused = await lotrc('emit', 'wgsl', model, '-o', output, ...options);
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toMatch(why);
  expect(existsSync(output)).toBe(false);
});

describe('a folder that cannot be written', () => {
  const refused = async (output: string) => {
    const done = await lotrc('emit', 'wgsl', model, '-o', output, '--tokens', '5');
    expect(done).toMatchObject({ code: 1, out: '' });
    expect(done.err).toMatch(/^error LOTR1201: .*\n {2}--> .*\n {2}hint: /);
    return done.err;
  };

  test('is named, and nothing is left there', async () => {
    const output = join(folder, 'taken');
    mkdirSync(join(output, 'kernels', 'fold_Lp_0.wgsl'), { recursive: true });
    expect(await refused(output)).toContain('it is a folder');
    expect(readdirSync(output)).toEqual(['kernels']);
    expect(readdirSync(join(output, 'kernels'))).toEqual(['fold_Lp_0.wgsl']);
  });

  test('because a file has its name, above or below', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await refused(file);
    await refused(join(file, 'below'));
    expect(readFileSync(file, 'utf8')).toBe('');
    const output = join(folder, 'half');
    mkdirSync(output);
    writeFileSync(join(output, 'kernels'), '');
    await refused(output);
    expect(readdirSync(output)).toEqual(['kernels']);
  });

  test.skipIf(!existsSync('/proc/self'))('because the system has none there', async () => {
    await refused('/proc/lotrc/gpu');
  });

  test('takes the folders away that it made', async () => {
    const output = join(folder, 'fresh');
    const input = join(folder, 'fresh/plan.txt');
    expect(() =>
      writeFolder(
        [
          { path: 'kernels/a', text: '' },
          { path: '../file/b', text: '' },
        ],
        output,
        [input],
      ),
    ).toThrow(/LOTR1201/);
    expect(existsSync(output)).toBe(false);
  });
});

test('rows of --schedules that the device cannot run are refused', async () => {
  const file = join(folder, 'rows.json');
  const row = (target: string, change: object) => ({
    target,
    dtype: 'f32',
    family: 'gemm',
    bucket: 'any',
    source: 'tuned',
    schedule: { BM: 32, BN: 32, BK: 8, TM: 4, TN: 4, vec: 1, stages: 1, warps: 0, splitK: 1, ...change },
  });
  const explained = (...rows: object[]) => {
    writeFileSync(file, JSON.stringify({ version: 1, rows }));
    return lotrc('emit', 'wgsl', model, '--explain', '--tokens', '300', '--schedules', file);
  };
  expect((await explained(row('webgpu-laptop', { BK: 24 }))).out).toContain('32x32x24');
  for (const [change, why] of [
    [{ BM: 30 }, 'row 2: webgpu-laptop cannot run it: 30 x 32 is not divided by 4 x 4'],
    [{ BM: 256, BN: 256 }, 'invocations, 256 allowed'],
    [{ warps: 4 }, 'WebGPU has no matrix units of a warp'],
    [{ stages: 2 }, 'WebGPU has no pipeline of copies'],
    [{ splitK: 2 }, 'only sums over tokens are split'],
  ] as const) {
    const refused = await explained(row('sm_80', { BM: 30 }), row('webgpu-laptop', change));
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^error LOTR6007: /);
    expect(refused.err).toContain(why);
  }
  expect((await explained(row('laptop', {}))).err).toContain('"target" is not webgpu-laptop, ');
});
