import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { cudaHost } from '../../../src/backends/host/cuda/cuda.js';
import type { EmittedFile } from '../../../src/backends/host/shared/emitted.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import type { KernelDtype } from '../../../src/backends/kernel/model/types.js';
import { choose, type FormKey } from '../../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../../src/backends/kernel/plan/explain.js';
import { profile } from '../../support/devices.js';
import { expectFile, expectNothingElse } from '../../support/expected.js';
import { contraction, type Layers } from '../../support/host-layers.js';

const FOLDER = join(import.meta.dirname, '../../data/hosts');

/** name, method, form, purpose, tokens, layers, type of the operands on CUDA where it is not float32, size for warpgroups */
type Case = readonly [
  string,
  AdapterSpec,
  FormKey,
  'train' | 'serve',
  number,
  string[],
  KernelDtype?,
  Layers?,
];
const CASES: readonly Case[] = [
  ['train-in-parts', LOTR, 'split', 'train', 300, ['o']],
  ['train-few-tokens', LOTR, 'split', 'train', 13, ['q']],
  ['train-merged', LOTR, 'merged', 'train', 64, ['o']],
  ['train-lora', LORA, 'split', 'train', 64, ['o']],
  ['serve-widened', LOTR, 'widen', 'serve', 7, ['q', 'k']],
  ['train-matrix-units', LOTR, 'split', 'train', 300, ['o'], 'bf16'],
  ['serve-warpgroups', LOTR, 'split', 'serve', 300, ['o'], 'bf16', { in: 24, out: 16, rank: 8 }],
  ['train-bordered', LOTR, 'bordered', 'train', 300, ['q', 'o']],
  ['serve-split', LOTR, 'split', 'serve', 300, ['q', 'k', 'o']],
];

/** What both back ends emit for a case: the plans, the kernels of each in one file, and the hosts. */
function printed([
  name,
  spec,
  form,
  purpose,
  tokens,
  layers,
  narrow = 'f32',
  size,
]: Case): readonly EmittedFile[] {
  // only CUDA has a library to call
  const apis = form === 'bordered' ? (['cuda'] as const) : (['webgpu', 'cuda'] as const);
  const made = apis.map((api) => {
    const device = api === 'webgpu' ? profile('webgpu-laptop', api) : profile('h100', api);
    const dtype = api === 'webgpu' ? 'f32' : narrow;
    const plan = choose(contraction(spec, layers, size), { device, tokens, purpose, form, dtype });
    const files = api === 'webgpu' ? webgpuHost(plan) : cudaHost(plan, [size ? 'sm_90a' : 'sm_80']);
    const kernels = files.filter(({ path }) => path.startsWith('kernels/'));
    // the operators for ONNX Runtime differ in their tables only: one case is enough
    const operators = name === 'serve-split' ? files.filter(({ path }) => path.startsWith('ort/')) : [];
    const hosts = files.filter(({ path }) => !path.includes('/'));
    const extension = api === 'webgpu' ? 'wgsl' : 'cu';
    const all = kernels.map(({ path, text }) => `// ${path}\n${text}`).join('\n');
    return [
      { path: `plan.${extension}.txt`, text: explainPlan(plan) },
      // those around calls of a library are the kernels of other forms
      ...(form === 'bordered' ? [] : [{ path: `kernels.${extension}`, text: all }]),
      ...hosts.map((file) => withoutKernels(file, kernels)),
      ...operators.map(({ path, text }) => ({ path: path.replace('/', '-'), text })),
    ];
  });
  return made.flat();
}

/** A host without the text of the kernels that it holds, which is next to it. */
function withoutKernels({ path, text }: EmittedFile, kernels: readonly EmittedFile[]): EmittedFile {
  const rest = kernels.reduce((all, kernel) => all.replace(kernel.text.trimEnd(), `<${kernel.path}>`), text);
  // not to be compiled with the tests
  return { path: path.replace(/\.ts$/, '.ts.txt'), text: rest };
}

describe.each(CASES.map((one) => [one[0], one] as const))('%s', (name, one) => {
  test('is emitted in the same words as before', () => {
    const folder = join(FOLDER, name);
    const files = printed(one);
    for (const { path, text } of files) expectFile(join(folder, path), text);
    expectNothingElse(
      folder,
      files.map(({ path }) => path),
    );
  });
});

test('no case is left over', () => {
  expectNothingElse(
    FOLDER,
    CASES.map(([name]) => name),
  );
});
