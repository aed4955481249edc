import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import type { GraphSignature } from '../../../src/train/signature.js';
import { type Oracle, oracles } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';
import { type Emission, emitOracle, f32Of, Host } from '../../support/training.js';
import { runIn, webgpuEnvironment } from '../../support/webgpu.js';

const MODELS = ['bert.ts', 'bert.dynamo', 'gpt2.ts', 'llama.dynamo', 't5.ts'];
const STEPS = 4;

const environment = webgpuEnvironment();
const scratch = mkdtempSync(join(tmpdir(), 'lotrc-webgpu-'));
/** one process each: a WebGPU device is kept, with its compiled shaders, while one of its sessions lives */
const hosts = { cpu: new OrtProcess(), webgpu: new OrtProcess(environment ?? {}) };
afterAll(() => {
  hosts.cpu.close();
  hosts.webgpu.close();
  rmSync(scratch, { recursive: true, force: true });
});

type Where = { readonly provider: 'cpu' | 'webgpu'; readonly onCpu?: readonly string[] | undefined };

const run = (path: string, feeds: Readonly<Record<string, Tensor>>, where: Where) =>
  runIn(hosts[where.provider], path, feeds, where);

const all = oracles().filter(({ name }) => MODELS.includes(name));

const scalarsAt = (t: number) => ({ lr: 1e-2, loss_scale: 1, bc1: 1 - 0.9 ** t, bc2: 1 - 0.999 ** t });

/** Gradients at the start, and losses and parameters of a few AdamW steps. */
async function train({ folder, signature }: Emission, oracle: Oracle, provider: 'cpu' | 'webgpu') {
  const trainee = new Host(signature, oracle);
  const { grad, step } = signature.graphs;
  const at = (graph: GraphSignature) => ({ provider, onCpu: provider === 'webgpu' ? graph.onCpu : [] });
  const first = await run(join(folder, grad!.file), trainee.feeds(grad!, scalarsAt(1)), at(grad!));
  const losses = [Number(first.loss!.data[0])];
  for (let t = 1; t <= STEPS; t++) {
    const results = await run(join(folder, step!.file), trainee.feeds(step!, scalarsAt(t)), at(step!));
    losses.push(Number(results.loss!.data[0]));
    trainee.take(step!, results);
  }
  const grads = grad!.outputs.filter(({ role }) => role === 'grad');
  return { losses, grads: new Map(grads.map(({ name }) => [name, first[name]!])), held: trainee.held };
}

/**
 * The bar is that of the oracle (20 times what float32 alone costs): both providers compute in float32, and differ in the
 * order of their sums. Seen: loss 2e-7, gradients 3e-6, parameters 3e-6.
 */
const TOLERANCE = { loss: 1e-6, rest: 2e-5 };

describe.skipIf(environment === null).each(all.map((oracle) => [oracle.name, oracle] as const))(
  '%s',
  (_name, oracle) => {
    test('loss, gradients and parameters after AdamW steps are those of the CPU', async () => {
      const emission = emitOracle(oracle, scratch, { ep: ['webgpu'] });
      const cpu = await train(emission, oracle, 'cpu');
      const gpu = await train(emission, oracle, 'webgpu');
      for (const [i, loss] of gpu.losses.entries())
        expect(Math.abs(loss / cpu.losses[i]! - 1), `loss ${i}`).toBeLessThan(TOLERANCE.loss);
      for (const [name, { data }] of cpu.grads)
        expect(relativeError(gpu.grads.get(name)!.data, data), name).toBeLessThan(TOLERANCE.rest);
      expect([...gpu.held.keys()]).toEqual([...cpu.held.keys()]);
      for (const [name, { data }] of cpu.held)
        expect(relativeError(gpu.held.get(name)!.data, data), name).toBeLessThan(TOLERANCE.rest);
    });
  },
);

describe.skipIf(environment === null)('gradients that are not finite', () => {
  // a compiler of shaders may assume that NaN does not occur, so a comparison must hold on the device
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%f in one element: finite is false, and every parameter and moment keeps its bits',
    async (poison) => {
      const oracle = all[0]!;
      const { folder, signature } = emitOracle(oracle, scratch, { ep: ['webgpu'], maxNorm: 1 });
      const apply = signature.graphs.apply!;
      const trainee = new Host(signature, oracle);
      const grads = Object.fromEntries(
        signature.params.map(({ name, shape }) => {
          const count = shape.reduce((a, b) => a * b, 1);
          return [name, f32Of(shape, new Float32Array(count).fill(0.25))] as const;
        }),
      );
      const feed = () => trainee.feeds(apply, scalarsAt(1), grads);
      const changed = await run(join(folder, apply.file), feed(), { provider: 'webgpu' });
      expect(Number(changed.finite!.data[0])).toBe(1);
      (Object.values(grads).at(-1)!.data as Float32Array)[3] = poison;
      const kept = await run(join(folder, apply.file), feed(), { provider: 'webgpu' });
      expect(Number(kept.finite!.data[0])).toBe(0);
      for (const port of apply.inputs) {
        if (!port.next) continue;
        const before = trainee.held.get(port.slot ? `${port.param} ${port.slot}` : port.param!)!;
        expect(kept[port.next]!.data, port.name).toEqual(before.data);
        expect(changed[port.next]!.data, port.name).not.toEqual(before.data);
      }
    },
  );
});
