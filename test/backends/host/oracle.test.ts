import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { placesOf } from '../../../src/backends/host/shared/tables.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import type { AdaptedLayer } from '../../../src/backends/kernel/model/layers.js';
import type { KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { constantData } from '../../../src/ir/constants.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../../src/ir/onnx/writer.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { toF32 } from '../../../src/ir/values.js';
import { hasCompiler } from '../../support/compilers.js';
import { type CudaCall, runLibrary } from '../../support/cuda-host.js';
import { dawnEnvironment } from '../../support/dawn.js';
import { denoCommand, denoEnvironment, denoProgram } from '../../support/deno.js';
import { profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';
import { EVERYTHING, everySecond, WHOLE } from '../../support/everything.js';
import { compileHosts, type HostJob, runHost } from '../../support/host.js';
import { partOf } from '../../support/host-layers.js';
import { feedsOf, type Oracle, oracles } from '../../support/oracle.js';
import { relativeError, runOrt } from '../../support/ort.js';
import { Host, writeOracle } from '../../support/training.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-kernels-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A layer as it runs in its model: rows of x and y, and the gradient that arrives at y. */
interface Traffic {
  readonly layer: AdaptedLayer;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly dy: Float32Array;
}

/** What ONNX Runtime sends through every adapted layer of an oracle with the reference factors in place. */
async function trafficOf(oracle: Oracle, path: string, layers: readonly AdaptedLayer[]): Promise<Traffic[]> {
  const forward = readModel(path);
  const names = new Set(layers.flatMap(({ x, biasedOutput }) => [x, biasedOutput]));
  for (const name of names) forward.graph.addOutput(forward.graph.own(name)!);
  const values = await runOrt(encodeModel(forward), feedsOf(oracle));

  // a trained addend has the gradient of the sum for its own
  const probed = readModel(path);
  const { graph } = probed;
  const probes = new Map(
    [...new Set(layers.map((layer) => layer.biasedOutput))].map((name, k) => [name, `probe.${k}`]),
  );
  for (const [name, probe] of probes) {
    const value = graph.own(name)!;
    const readers = [...value.uses];
    const { shape } = values[name]!;
    const zeros = graph.addInitializer(
      probe,
      f32Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1))),
    );
    const { outputs } = graph.append({
      op: 'Add',
      name: `${probe}.add`,
      inputs: [value, zeros],
      outputs: [`${probe}.y`],
    });
    for (const { node, index } of readers) node.setInput(index, outputs[0]!);
  }
  const folder = mkdtempSync(join(scratch, 'run-'));
  const file = join(folder, 'probed.onnx');
  writeModel(probed, file);
  const { logits } = oracle.description;
  const { signature } = emitTraining({
    open: () => readModel(file),
    folder,
    options: { ...TRAIN_DEFAULTS, maxNorm: null, logits, alsoTrain: ['^probe\\.'] },
  });
  const grad = signature.graphs.grad!;
  const host = new Host(
    signature,
    oracle,
    new Map([...probes.values()].map((probe) => [probe, graph.own(probe)!.constant!])),
  );
  const results = await runOrt(join(folder, grad.file), host.feeds(grad, {}));
  const arriving = new Map(
    grad.outputs.flatMap(({ param, name }) => (param ? [[param, name] as const] : [])),
  );
  const floats = (tensor: { readonly data: ArrayLike<number | bigint> }) =>
    Float32Array.from(tensor.data as Float32Array);
  return layers.map((layer) => ({
    layer,
    x: floats(values[layer.x]!),
    y: floats(values[layer.biasedOutput]!),
    dy: floats(results[arriving.get(probes.get(layer.biasedOutput)!)!]!),
  }));
}

interface Prepared {
  readonly plan: KernelPlan;
  readonly tokens: number;
  /** weights, biases and factors by name */
  readonly tensors: Readonly<Record<string, Float32Array>>;
  /** contents of the buffers x and dy; rows that a layer with fewer tokens lacks are zero */
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** contents of the buffers y, for the rows that are there */
  readonly results: Readonly<Record<string, Float32Array>>;
}

async function prepared(oracle: Oracle, target: 'webgpu' | 'cuda'): Promise<Prepared> {
  const path = join(mkdtempSync(join(scratch, 'model-')), 'model.onnx');
  writeOracle(oracle, path);
  const model = readModel(path);
  const found = contract(readModel(path));
  expect(found.skipped).toEqual([]);
  const layers = found.regions.flatMap((region) => region.layers);
  const nodes = oracle.description.groups.flatMap(({ sites }) => sites.flatMap((site) => site.nodes));
  expect(layers.length).toBe(nodes.length);
  const traffic = await trafficOf(oracle, path, layers);
  const tokens = Math.max(...traffic.map(({ layer, x }) => x.length / layer.in));
  const device = target === 'cuda' ? profile('h100', 'cuda') : profile('webgpu-laptop', 'webgpu');
  const plan = choose(found, { device, tokens, purpose: 'train', strategy: 'split', dtype: 'f32' });
  const wide = (data: Float32Array, columns: number) => {
    const all = new Float32Array(tokens * columns);
    all.set(data);
    return all;
  };
  const inputs: Record<string, Float32Array> = {};
  const results: Record<string, Float32Array> = {};
  let number = 0;
  for (const { input, layers: own } of found.regions) {
    for (const layer of own) {
      const { x, y, dy } = traffic.find((entry) => entry.layer === layer)!;
      inputs[`x_${input}`] = wide(x, layer.in);
      inputs[`dy_${number}`] = wide(dy, layer.out);
      results[`y_${number}`] = y;
      number++;
    }
  }
  const names = [
    ...Object.keys(placesOf(plan.buffers, 'weight')),
    ...Object.keys(placesOf(plan.buffers, 'step')),
  ];
  const tensors = Object.fromEntries(
    names.map((name) => [name, toF32(constantData(model.graph.own(name)!)!)]),
  );
  return { plan, tokens, tensors, inputs, results };
}

/** Holds what was read from the buffers of a plan to the outputs of the model and to PyTorch's gradients. */
function check(
  oracle: Oracle,
  { plan, results }: Prepared,
  reads: Readonly<Record<string, ArrayLike<number>>>,
): void {
  for (const [name, y] of Object.entries(results)) {
    expect(relativeError(Float32Array.from(reads[name]!).subarray(0, y.length), y), name).toBeLessThan(2e-6);
  }
  const places = placesOf(plan.buffers, 'step');
  const factors = [...oracle.tensors.keys()].filter((name) => name.startsWith('init.'));
  expect(Object.keys(places).sort()).toEqual(factors.sort());
  for (const [name, [place]] of Object.entries(places)) {
    const gradient = plan.buffers.find(({ gradientOf }) => gradientOf === place!.buffer)!;
    const own = partOf(reads[gradient.name]!, place!);
    const wanted = toF32(oracle.tensors.get(name.replace('init.', 'grad.'))!);
    expect(relativeError(Float32Array.from(own), wanted), `gradient of ${name}`).toBeLessThan(2e-5);
  }
}

const readable = (plan: KernelPlan): readonly string[] => [
  ...plan.buffers.filter(({ name }) => /^y_/.test(name)).map(({ name }) => name),
  ...plan.buffers.filter(({ gradientOf }) => gradientOf).map(({ name }) => name),
];
const regionsOf = (plan: KernelPlan) => [...new Set(plan.regions.map((_, index) => index))];

describe.skipIf(!hasCompiler('g++'))(
  'emitted CUDA kernels, run on the CPU, in the place of the layers',
  () => {
    // every fifth takes a program of its own; every second one in CI
    const chosen = everySecond(oracles()).filter((_, n) => EVERYTHING || n % 5 === 0);
    test.each(chosen.map((oracle) => [oracle.name, oracle] as const))(
      '%s: outputs of every layer and PyTorch gradients of every factor',
      { timeout: 300_000 },
      async (_name, oracle) => {
        const work = await prepared(oracle, 'cuda');
        const { plan, tokens, tensors, inputs } = work;
        const size = (name: string) =>
          plan.buffers
            .find((buffer) => buffer.name === name)!
            .shape.reduce<number>(
              (total, extent) => total * (typeof extent === 'string' ? tokens : extent),
              1,
            );
        const files = cudaHost(plan, ['sm_80']);
        const { messages, reads } = runLibrary(files, tokens, [
          ...Object.entries(tensors).map(([name, data]): CudaCall => ['set', name, data]),
          ...Object.entries(inputs).map(([name, data]): CudaCall => ['write', name, data]),
          ...regionsOf(plan).map((region): CudaCall => ['forward', region]),
          ...regionsOf(plan).map((region): CudaCall => ['backward', region]),
          ['gradients'],
          ...readable(plan).map((name): CudaCall => ['read', name, size(name), name]),
        ]);
        expect(messages).toEqual([]);
        check(oracle, work, reads);
      },
    );
  },
);

const driver = dawnEnvironment();
const deno = denoProgram();
const ON_WEBGPU = ['gpt2.ts'];

/** Programs that have WebGPU. SwiftShader takes its time for the kernels of a model. */
const PROGRAMS = [
  ['Dawn', WHOLE && driver, () => [process.execPath] as const, () => driver!],
  ['Deno', deno, () => denoCommand(deno!), denoEnvironment],
] as const;

describe.each(PROGRAMS)(
  'emitted WGSL kernels in the place of the layers, in %s',
  (_, found, command, environment) => {
    const chosen = oracles().filter(({ name }) => ON_WEBGPU.includes(name));
    test.skipIf(!found).each(chosen.map((oracle) => [oracle.name, oracle] as const))(
      '%s: outputs of every layer and PyTorch gradients of every factor',
      { timeout: 300_000 },
      async (_name, oracle) => {
        const work = await prepared(oracle, 'webgpu');
        const { plan, tokens, tensors, inputs } = work;
        const { folder, modules } = compileHosts([webgpuHost(plan)]);
        const numbers = (life: 'weight' | 'step') =>
          Object.fromEntries(
            Object.keys(placesOf(plan.buffers, life)).map((name) => [name, [...tensors[name]!]]),
          );
        const job: HostJob = {
          tokens,
          weights: numbers('weight'),
          factors: numbers('step'),
          calls: [
            ...Object.entries(inputs).map(([name, data]) => ['write', name, [...data]] as const),
            ...regionsOf(plan).map((region) => ['forward', region] as const),
            ...regionsOf(plan).map((region) => ['backward', region] as const),
            ['gradients'],
            ...readable(plan).map((name) => ['read', name] as const),
          ],
        };
        try {
          const { messages, reads } = runHost(modules[0]!, environment(folder), job, command());
          expect(messages).toEqual([]);
          check(oracle, work, reads);
        } finally {
          rmSync(folder, { recursive: true });
        }
      },
    );
  },
);
