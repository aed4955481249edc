import { describe, expect, test } from 'vitest';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { rewrite } from '../../../src/rewrite.js';
import { compiled, cppFlags, hasCompiler, runProgram } from '../../support/compilers.js';
import { profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';
import { floats } from '../../support/layers.js';

/** Inputs, outputs and layers of what reads one x in a block of Llama: queries are wider than keys and values. */
const READERS: readonly (readonly [inputs: number, layers: Readonly<Record<string, number>>])[] = [
  [16, { q_proj: 16, k_proj: 8, v_proj: 8 }],
  [16, { o_proj: 16 }],
  [16, { gate_proj: 24, up_proj: 24 }],
  [24, { down_proj: 16 }],
];

/** The adapted layers of so many blocks, each reading inputs of the graph. */
function layersOf(blocks: number) {
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', 17);
  for (let block = 0; block < blocks; block++) {
    for (const [number, [inputs, layers]] of READERS.entries()) {
      const x = graph.addInput(`x.${block}.${number}`, tensorType('f32', ['tokens', inputs]));
      for (const [name, outputs] of Object.entries(layers)) {
        const path = `layers.${block}.${name}`;
        const weight = graph.addInitializer(`${path}.weight`, floats('f32', [inputs, outputs], 1));
        const node = graph.append({
          op: 'MatMul',
          name: `/${path}/MatMul`,
          inputs: [x, weight],
          outputs: [path],
        });
        node.outputs[0]!.setType(tensorType('f32', ['tokens', outputs]));
        graph.addOutput(node.outputs[0]!);
      }
    }
  }
  rewrite(model, { spec: LOTR, rank: 8, targets: ['.*'] });
  return contract(model);
}

/** Launches and cleared bytes of a step, its regions backward in the order that autograd has, by a library that only counts. */
function counted(blocks: number): { readonly launches: number; readonly cleared: number } {
  const device = profile('h100', 'cuda');
  const found = layersOf(blocks);
  expect(found.regions).toHaveLength(5 * blocks);
  const plan = choose(found, { device, tokens: 64, purpose: 'train', strategy: 'split', dtype: 'f32' });
  const files = cudaHost(plan, ['sm_80']).filter(({ path }) => /^adapters\.(h|cu)$/.test(path));
  const source = files.find(({ path }) => path === 'adapters.cu')!.text;
  const kernels = [...source.matchAll(/^(extern "C" __global__ void .*);$/gm)].map(
    ([, head]) => `${head} {}`,
  );
  const main = `
#include <cuda_runtime.h>
#include "adapters.cu"
${kernels.join('\n')}
int main(int, char **argv) {
  std::fclose(std::fopen(argv[2], "wb"));
  lotrc_adapters *a;
  shim_counts_only = true;
  if (lotrc_create(&a, 64, nullptr) != LOTRC_OK) return 1;
  const lotrc_adamw numbers = {1e-3f, 0.9f, 0.999f, 1e-8f, 0};
  for (int steps = 0; steps < 2; steps++) {
    shim_launches = shim_cleared = 0;
    lotrc_changed(a);
    for (uint32_t region = 0; region < REGION_COUNT; region++)
      if (lotrc_forward(a, region) != LOTRC_OK) return 2;
    lotrc_begin_inputs(a);
    for (uint32_t region = REGION_COUNT; region-- > 0;)
      if (lotrc_backward(a, region) != LOTRC_OK) return 3;
    if (lotrc_step(a, &numbers) != LOTRC_OK) return 4;
  }
  std::printf("%ld %ld\\n", shim_launches, shim_cleared);
  lotrc_destroy(a);
}
`;
  const { path } = compiled(
    'g++',
    [...files, { path: 'main.cpp', text: main }],
    [...cppFlags(false), 'main.cpp'],
  );
  const [launches, cleared] = runProgram(path, Buffer.alloc(0)).said.split(' ').map(Number);
  return { launches: launches!, cleared: cleared! };
}

describe.skipIf(!hasCompiler('g++'))('a step of a model of many blocks', () => {
  test('has launches and cleared bytes that are linear in the blocks', { timeout: 300_000 }, () => {
    const [one, four, many] = [1, 4, 32].map(counted) as [
      ReturnType<typeof counted>,
      ReturnType<typeof counted>,
      ReturnType<typeof counted>,
    ];
    for (const what of ['launches', 'cleared'] as const) {
      const each = (four[what] - one[what]) / 3;
      expect(each, what).toBeGreaterThan(0);
      expect((many[what] - four[what]) / 28, what).toBe(each);
    }
  });
});
