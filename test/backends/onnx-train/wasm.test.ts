import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor as WebTensor, env as webEnv } from 'onnxruntime-web';
import { afterAll, describe, expect, test } from 'vitest';
import { toF32 } from '../../../src/ir/values.js';
import type { GraphSignature } from '../../../src/train/signature.js';
import { allOrFirst, EVERYTHING } from '../../support/everything.js';
import { oracles } from '../../support/oracle.js';
import { relativeError, runOrt, type Tensor } from '../../support/ort.js';
import { type Emission, emitOracle, Host } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-wasm-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
webEnv.wasm.numThreads = 1;

const all = oracles().filter(({ name }) => ['bert.ts', 'gpt2.ts', 'llama.dynamo'].includes(name));
// outside CI one model, a step from the first parameters and one from others
const STEPS = EVERYTHING ? 5 : 2;
const scalarsAt = (t: number) => ({ lr: 1e-2, loss_scale: 1, bc1: 1 - 0.9 ** t, bc2: 1 - 0.999 ** t });

/** A session as a web page has it: graph and base weights as bytes, fetched once and given to every graph. */
async function webSession(
  { folder, signature }: Emission,
  { file }: GraphSignature,
): Promise<InferenceSession> {
  const read = (name: string) => new Uint8Array(readFileSync(join(folder, name)));
  return InferenceSession.create(read(file), {
    executionProviders: ['wasm'],
    externalData: signature.base.map(({ location }) => ({ path: location, data: read(location) })),
  });
}

async function runWeb(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const inputs = Object.entries(feeds).map(
    ([name, { dtype, shape, data }]) =>
      [name, new WebTensor(dtype as 'float32', data as Float32Array, shape)] as const,
  );
  const results = Object.entries(await session.run(Object.fromEntries(inputs)));
  return Object.fromEntries(
    results.map(([name, { type, dims, data }]) => [
      name,
      { dtype: type, shape: dims, data: data as Float32Array },
    ]),
  );
}

describe.each(allOrFirst(all).map((oracle) => [oracle.name, oracle] as const))('%s', (_name, oracle) => {
  test('onnxruntime-web trains as onnxruntime-node and PyTorch do', async () => {
    const emission = emitOracle(oracle, scratch, { ep: ['wasm'] });
    const step = emission.signature.graphs.step!;
    const [web, node] = [0, 1].map(() => new Host(emission.signature, oracle)) as [Host, Host];
    const session = await webSession(emission, step);
    for (let t = 1; t <= STEPS; t++) {
      const here = await runWeb(session, web.feeds(step, scalarsAt(t)));
      const there = await runOrt(join(emission.folder, step.file), node.feeds(step, scalarsAt(t)));
      const [a, b] = [here, there].map(({ loss }) => Number(loss!.data[0])) as [number, number];
      expect(Math.abs(a / b - 1), `loss of step ${t}`).toBeLessThan(1e-5);
      if (t === 1) expect(Math.abs(a / oracle.description.loss_at_init - 1)).toBeLessThan(1e-5);
      web.take(step, here);
      node.take(step, there);
    }
    await session.release();
    for (const [name, { data }] of node.held)
      expect(relativeError(web.held.get(name)!.data, data), name).toBeLessThan(2e-5);
    const { name } = emission.signature.params[0]!;
    expect(relativeError(web.held.get(name)!.data, toF32(oracle.tensors.get(name)!))).toBeGreaterThan(1e-3);
  });
});
