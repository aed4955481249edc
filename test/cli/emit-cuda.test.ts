import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-emit-cuda-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('emit cuda writes the plan, the library and its kernels, for the requested architectures', async () => {
  const text = join(folder, 'model.onnxtxt');
  writeFileSync(
    text,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 3] x) => (float[batch, 2] y)
< float[3,2] "proj.weight" = {-0.125, -1.875, -0.875, 0.5, -0.625, -1.75} >
{ ["/proj/MatMul"] y = MatMul (x, "proj.weight") }
`,
  );
  const model = join(folder, 'adapted.onnx');
  await lotrc('rewrite', text, '--rank', '1', '--target', 'proj', '-o', model);
  const output = join(folder, 'gpu');
  const words = ['emit', 'cuda', model, '-o', output, '--tokens', '5', '--arch', 'sm_90a,sm_80'];
  const done = await lotrc(...words);
  expect(done).toMatchObject({ code: 0, err: '' });
  const kernels = readdirSync(join(output, 'kernels')).filter((name) => name.endsWith('.cu'));
  expect(done.out).toBe(
    `wrote ${kernels.length} kernels, adapters.h, adapters.cu, CMakeLists.txt, adapters_torch.py, plan.txt and ort/ to ${output}\n`,
  );
  const read = (file: string) => readFileSync(join(output, file), 'utf8');
  const build = read('CMakeLists.txt');
  expect(build).toContain('set(CMAKE_CUDA_ARCHITECTURES 90a 80)');
  // afterwards it would be the compiler's default
  expect(build.indexOf('set(CMAKE_CUDA_ARCHITECTURES')).toBeLessThan(build.indexOf('project(lotrc'));
  for (const name of kernels) expect(build).toContain(`  kernels/${name}\n`);
  for (const name of readdirSync(join(output, 'ort')).filter((file) => file.endsWith('.cu')))
    expect(build).toContain(`  ort/${name}\n`);
  // float32 is not rounded unasked, and the plan says what runs on matrix units
  expect(read('plan.txt')).not.toContain('warps');
  const source = read('adapters.cu');
  await lotrc(...words);
  expect(read('adapters.cu')).toBe(source);
  const fast = join(folder, 'fast');
  expect(await lotrc('emit', 'cuda', model, '-o', fast, '--tokens', '5', '--tf32')).toMatchObject({
    code: 0,
  });
  expect(readFileSync(join(fast, 'plan.txt'), 'utf8')).toContain('warps');
  const explained = await lotrc('emit', 'cuda', model, '--explain', '--tokens', '5', '--tf32');
  expect(explained.out).toBe(readFileSync(join(fast, 'plan.txt'), 'utf8'));
  await lotrc('emit', 'cuda', model, '-o', fast, '--arch', 'sm_80,sm_80');
  expect(readFileSync(join(fast, 'CMakeLists.txt'), 'utf8')).toContain('set(CMAKE_CUDA_ARCHITECTURES 80)');
  const three = await lotrc('emit', 'cuda', model, '--explain', '--tokens', '5', '--tf32x3');
  expect(three.out).toContain('in f32 (products over tokens in tf32x3) on h100');
  const both = await lotrc('emit', 'cuda', model, '--explain', '--tf32', '--tf32x3');
  expect(both.err).toContain('--tf32 and --tf32x3 exclude each other');
  const narrow = await lotrc('emit', 'cuda', model, '-o', output, '--tf32', '--dtype', 'bf16');
  expect(narrow).toMatchObject({ code: 2, out: '' });
  expect(narrow.err).toContain('--tf32 is for float32: the operands are bf16');
  const lion = join(folder, 'lion');
  expect(
    await lotrc('emit', 'cuda', model, '-o', lion, '--tokens', '5', '--optimizer', 'lion'),
  ).toMatchObject({
    code: 0,
  });
  expect(readFileSync(join(lion, 'adapters.h'), 'utf8')).toContain('const lotrc_lion *numbers');
  expect(readFileSync(join(lion, 'adapters_torch.py'), 'utf8')).toContain('class Lion(');
  for (const backEnd of ['cuda', 'wgsl']) {
    const refused = (...rest: string[]) => lotrc('emit', backEnd, model, '-o', lion, '--optimizer', ...rest);
    const muon = await refused('muon');
    expect(muon).toMatchObject({ code: 1, out: '' });
    expect(muon.err).toContain('LOTR6105');
    expect((await refused('sgd', '--for', 'serve')).err).toContain('--optimizer is for training');
  }
  const serving = join(folder, 'serving');
  const byRow = (...rest: string[]) =>
    lotrc('emit', 'cuda', model, '-o', serving, '--adapters', '3', '--max-rank', '7', ...rest);
  expect(await byRow('--for', 'serve')).toMatchObject({ code: 0, err: '' });
  expect(readFileSync(join(serving, 'adapters.h'), 'utf8')).toContain('#define LOTRC_MAX_RANK 7u');
  expect(readFileSync(join(serving, 'plan.txt'), 'utf8')).toMatch(
    /one of 3 adapters of ranks up to 7[\s\S]*D = s P M L of/,
  );
  for (const [rest, why] of [
    [[], 'add --for serve'],
    [['--for', 'serve', '--merge'], 'leave --max-rank out'],
    [['--for', 'serve', '--form', 'split'], 'leave --form out'],
  ] as const) {
    const refused = await byRow(...rest);
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toContain(why);
  }
  const library = join(folder, 'library');
  const bordered = ['--form', 'bordered', '--tokens', '5', '--dtype', 'bf16', '--arch', 'sm_90a'];
  expect(await lotrc('emit', 'cuda', model, '-o', library, ...bordered)).toMatchObject({ code: 0 });
  expect(readFileSync(join(library, 'CMakeLists.txt'), 'utf8')).toContain('CUDA::cublasLt');
  const called = await lotrc('emit', 'cuda', model, '--explain', ...bordered);
  expect(called.out).toBe(readFileSync(join(library, 'plan.txt'), 'utf8'));
  expect(called.out).toMatch(/bordered weight \(S0\): requested[\s\S]* blas /);
  const unknown = await lotrc('emit', 'cuda', model, '-o', output, '--arch', 'sm_80,sm_13');
  expect(unknown.code).toBe(1);
  expect(unknown.err).toContain('sm_13');
});
