import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { OPERATORS_CU } from '../../../src/backends/host/ort/generated/runtime.js';
import type { EmittedFile } from '../../../src/backends/host/shared/emitted.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import type { KernelDtype } from '../../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../../src/backends/kernel/plan/explain.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { profile } from '../../support/devices.js';
import { differences } from '../../support/diff.js';
import { cudaHost } from '../../support/emitted-files.js';
import { expectFile, expectNothingElse } from '../../support/expected.js';
import { contraction, type Layers } from '../../support/host-layers.js';

const FOLDER = join(import.meta.dirname, '../../data/hosts');

/**
 * name, the case before it that its files are compared with, method, strategy, purpose, tokens, layers; the type of the operands on
 * CUDA, a size for warpgroups and an optimizer where they are not the usual ones
 */
type Case = readonly [
  string,
  string | null,
  AdapterSpec,
  StrategyKey,
  'train' | 'serve',
  number,
  string[],
  { readonly narrow?: KernelDtype; readonly size?: Layers; readonly optimizer?: OptimizerKind }?,
];
const CASES: readonly Case[] = [
  ['train-lora', null, LORA, 'split', 'train', 64, ['o']],
  ['train-sgd', 'train-lora', LORA, 'split', 'train', 64, ['o'], { optimizer: 'sgd' }],
  ['train-lion', 'train-lora', LORA, 'split', 'train', 64, ['o'], { optimizer: 'lion' }],
  ['train-merged', 'train-lora', LOTR, 'merged', 'train', 64, ['o']],
  ['train-in-parts', 'train-merged', LOTR, 'split', 'train', 300, ['o']],
  ['train-few-tokens', 'train-in-parts', LOTR, 'split', 'train', 13, ['q']],
  ['train-matrix-units', 'train-in-parts', LOTR, 'split', 'train', 300, ['o'], { narrow: 'bf16' }],
  ['train-bordered', 'train-in-parts', LOTR, 'bordered', 'train', 300, ['q', 'o']],
  ['serve-widened', 'train-lora', LOTR, 'widen', 'serve', 7, ['q', 'k']],
  ['serve-split', 'serve-widened', LOTR, 'split', 'serve', 300, ['q', 'k', 'o']],
  [
    'serve-warpgroups',
    'serve-widened',
    LOTR,
    'split',
    'serve',
    20_000,
    ['o'],
    { narrow: 'bf16', size: { in: 24, out: 200, rank: 8 } },
  ],
];

/** What both back ends emit for a case: the plans, the kernels of each in one file, and the hosts. */
function printed([
  name,
  base,
  spec,
  strategy,
  purpose,
  tokens,
  layers,
  { narrow = 'f32', size, optimizer = 'adamw' } = {},
]: Case): readonly EmittedFile[] {
  // only CUDA has matrix units, and a library to call
  const cudaOnly = strategy === 'bordered' || narrow !== 'f32';
  const apis = cudaOnly ? (['cuda'] as const) : (['webgpu', 'cuda'] as const);
  const made = apis.map((api) => {
    const device = api === 'webgpu' ? profile('webgpu-laptop', api) : profile('h100', api);
    const dtype = api === 'webgpu' ? 'f32' : narrow;
    const plan = choose(contraction(spec, layers, size), { device, tokens, purpose, strategy, dtype });
    const files =
      api === 'webgpu'
        ? webgpuHost(plan, optimizer)
        : cudaHost(plan, [size ? 'sm_90a' : 'sm_80'], { optimizer });
    const kernels = files.filter(({ path }) => path.startsWith('kernels/'));
    // the operators for ONNX Runtime differ in their tables only: one case is enough
    const operators = name === 'serve-split' ? files.filter(({ path }) => path === 'ort/operators.cu') : [];
    const hosts = files.filter(({ path }) => !path.includes('/'));
    const extension = api === 'webgpu' ? 'wgsl' : 'cu';
    const whole = kernels.map(({ path, text }) => `// ${path}\n${text}`).join('\n');
    return [
      { path: `plan.${extension}.txt`, text: explainPlan(plan) },
      ...(base === null
        ? [{ path: `kernels.${extension}`, text: whole }]
        : [{ path: `kernels.${extension}.txt`, text: kernels.map(digest).join('') }]),
      ...hosts.map((file) => withoutKernels(file, kernels)),
      ...operators.map(({ text }) => ({ path: 'ort-operators.cu', text })),
    ];
  });
  return made.flat();
}

/** A kernel in a line: test/data/kernels has each kind whole, and this shows which others change with it. */
const digest = ({ path, text }: EmittedFile): string =>
  `${path} ${text.split('\n').length - 1} lines ${createHash('sha256').update(text).digest('hex').slice(0, 16)}\n`;

/** A host without the text of the kernels that it holds, which is next to it. */
function withoutKernels({ path, text }: EmittedFile, kernels: readonly EmittedFile[]): EmittedFile {
  const rest = kernels.reduce((all, kernel) => all.replace(kernel.text.trimEnd(), `<${kernel.path}>`), text);
  // not to be compiled with the tests
  return { path: path.replace(/\.ts$/, '.ts.txt'), text: rest };
}

const known = new Map<string, readonly EmittedFile[]>();
/** What is printed for a case, made once. */
function printedOnce(one: Case): readonly EmittedFile[] {
  const files = known.get(one[0]) ?? printed(one);
  known.set(one[0], files);
  return files;
}

/**
 * The files of a case as they are expected: of those that another case has too, and of the operators for ONNX Runtime, which are
 * a runtime source with tables, what differs and only where something does.
 */
function expected(one: Case): readonly EmittedFile[] {
  const [, base] = one;
  const files = printedOnce(one);
  if (base === null) return files;
  const others = new Map(
    printedOnce(CASES.find(([name]) => name === base)!).map(({ path, text }) => [path, text]),
  );
  others.set('ort-operators.cu', OPERATORS_CU);
  return files.flatMap(({ path, text }) => {
    const other = others.get(path);
    if (other === undefined || path.startsWith('kernels.')) return [{ path, text }];
    return other === text ? [] : [{ path: `${path}.diff`, text: differences(other, text) }];
  });
}

describe.each(CASES.map((one) => [one[0], one] as const))('%s', (name, one) => {
  test('is emitted in the same words as before', () => {
    const folder = join(FOLDER, name);
    const files = expected(one);
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
