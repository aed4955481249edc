import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import type { GraphSignature } from '../../../src/train/signature.js';
import { EVERYTHING } from '../../support/everything.js';
import { type Oracle, oracles } from '../../support/oracle.js';
import { relativeError, type Tensor } from '../../support/ort.js';
import { type Emission, emitOracle, f32Of, Host } from '../../support/training.js';
import { runIn, webgpuEnvironment } from '../../support/webgpu.js';

// outside CI two that share the fewest operators, and two steps: what one leaves is the input of another
const MODELS = ['bert.ts', 'llama.dynamo', ...(EVERYTHING ? ['t5.ts', 'bert.dynamo', 'gpt2.ts'] : [])];
const STEPS = EVERYTHING ? 4 : 2;

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

describe.skipIf(environment === null)('losses on pairs', () => {
  test('in-batch negatives over masked means: loss and gradients are those of the CPU', async () => {
    const oracle = oracles().find(({ name }) => name === 'gpt2.ts')!;
    // a lower temperature divides the rounding of similarities too: 0.05 makes 1e-7 a difference of 2e-6
    const options = { ep: ['webgpu'], loss: 'contrastive', temperature: 1 } as const;
    const { folder, signature } = emitOracle(oracle, scratch, options);
    const grad = signature.graphs.grad!;
    const feeds = new Host(signature, oracle).feeds(grad, scalarsAt(1));
    // the right sides are the left sides, each read backwards: two pairs
    for (const port of grad.inputs) {
      if (port.role !== 'batch') continue;
      const { dtype, shape, data } = feeds[port.name]!;
      const [rows, length] = shape as [number, number];
      const held = data as BigInt64Array;
      const turned = Array.from({ length: rows }, (_, row) =>
        [...held.subarray(row * length, (row + 1) * length)].reverse(),
      );
      feeds[port.name] = {
        dtype,
        shape: [2 * rows, length],
        data: BigInt64Array.from([...held, ...turned.flat()]),
      };
    }
    const cpu = await run(join(folder, grad.file), feeds, { provider: 'cpu' });
    const gpu = await run(join(folder, grad.file), feeds, { provider: 'webgpu', onCpu: grad.onCpu });
    const [a, b] = [gpu, cpu].map(({ loss }) => Number(loss!.data[0])) as [number, number];
    expect(b).toBeGreaterThan(0.1);
    expect(Math.abs(a / b - 1)).toBeLessThan(TOLERANCE.loss);
    for (const port of grad.outputs)
      if (port.role === 'grad')
        expect(relativeError(gpu[port.name]!.data, cpu[port.name]!.data), port.name).toBeLessThan(
          TOLERANCE.rest,
        );
  });
});

describe.skipIf(environment === null)('gradients that are not finite', () => {
  // a compiler of shaders may assume that NaN does not occur, so a comparison must hold on the device
  test('finite is false, and every parameter and moment keeps its bits', async () => {
    const oracle = all[0]!;
    const { folder, signature } = emitOracle(oracle, scratch, { ep: ['webgpu'], maxNorm: 1 });
    const apply = signature.graphs.apply!;
    const trainee = new Host(signature, oracle);
    const applied = (poison: number) => {
      const grads = Object.fromEntries(
        signature.params.map(({ name, shape }) => {
          const count = shape.reduce((a, b) => a * b, 1);
          return [name, f32Of(shape, new Float32Array(count).fill(0.25))] as const;
        }),
      );
      (Object.values(grads).at(-1)!.data as Float32Array)[3] = poison;
      const feeds = trainee.feeds(apply, scalarsAt(1), grads);
      return run(join(folder, apply.file), feeds, { provider: 'webgpu' });
    };
    const changed = await applied(0.25);
    expect(Number(changed.finite!.data[0])).toBe(1);
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const kept = await applied(poison);
      expect(Number(kept.finite!.data[0])).toBe(0);
      for (const port of apply.inputs) {
        if (!port.next) continue;
        const before = trainee.held.get(port.slot ? `${port.param} ${port.slot}` : port.param!)!;
        expect(kept[port.next]!.data, `${port.name}, ${poison}`).toEqual(before.data);
        expect(changed[port.next]!.data, port.name).not.toEqual(before.data);
      }
    }
  });
});
