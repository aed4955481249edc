import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { toF32 } from '../../../src/ir/values.js';
import { oracles } from '../../support/oracle.js';
import { relativeError, runOrt } from '../../support/ort.js';
import { emitOracle, Host } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-optimised-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Operators that the runtime fuses these exports into, and that a gradient must pass. */
const FUSED: Readonly<Record<string, readonly string[]>> = {
  'bert.ts': ['com.microsoft::BiasGelu', 'com.microsoft::FusedGemm', 'com.microsoft::FusedMatMul'],
  'bert.dynamo': ['com.microsoft::BiasGelu', 'com.microsoft::SkipLayerNormalization'],
  'gpt2.ts': ['com.microsoft::FastGelu', 'com.microsoft::FusedMatMul'],
  'llama.ts': ['SimplifiedLayerNormalization', 'com.microsoft::QuickGelu'],
};

/** Models as ONNX Runtime saves them after its own optimisation: the gradients are still PyTorch's of the export. */
test.each(
  oracles()
    .filter(({ name }) => Object.hasOwn(FUSED, name))
    .map((oracle) => [oracle.name, oracle] as const),
)('%s, optimised by ONNX Runtime', async (name, oracle) => {
  const ort = await import('onnxruntime-node');
  const path = join(scratch, `${name}.onnx`);
  const session = await ort.InferenceSession.create(oracle.path, {
    graphOptimizationLevel: 'extended',
    optimizedModelFilePath: path,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  await session.release();
  const keys = new Set([...readModel(path).graph.nodes].map(({ opKey }) => opKey));
  expect([...keys]).toEqual(expect.arrayContaining([...FUSED[name]!]));

  const { folder, signature } = emitOracle({ ...oracle, path }, scratch);
  const graph = signature.graphs.grad!;
  const feeds = new Host(signature, oracle).feeds(graph, { loss_scale: 1 });
  const results = await runOrt(join(folder, graph.file), feeds);
  const loss = Number(results.loss!.data[0]);
  expect(Math.abs(loss / oracle.description.loss_at_init - 1)).toBeLessThan(1e-5);
  const grads = graph.outputs.filter(({ role }) => role === 'grad');
  expect(grads.length).toBeGreaterThan(0);
  for (const port of grads) {
    const reference = toF32(oracle.tensors.get(port.param!.replace('init.', 'grad.'))!);
    expect(relativeError(results[port.name]!.data, reference), port.param).toBeLessThan(2e-5);
  }
});
