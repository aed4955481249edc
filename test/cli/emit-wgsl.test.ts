import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
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
  expect(text('index.ts')).toContain("requiredFeatures: ['subgroups']");
  expect(text('plan.txt')).toContain('inner over 64 invocations, subgroups');
  expect(await write()).toMatchObject({ code: 0 });
  for (const path of ['kernels/down_0.wgsl', 'index.ts', 'plan.txt'])
    expect(text(path)).not.toContain('subgroup');
});

test.each([
  [['--tokens', '5'], '-o FOLDER is missing'],
  [['-o', 'x', '--tokens', '1,5'], 'one number of tokens'],
  [['-o', 'x', '--json'], '--json is for --explain'],
  [['-o', 'x', '--merge'], '--merge is for serving one adapter'],
])('emit wgsl %j is refused', async (options, why) => {
  const refused = await lotrc('emit', 'wgsl', model, ...options);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(why);
});
