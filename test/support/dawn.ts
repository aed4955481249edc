import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gridOf } from '../../src/backends/kernel/gen/kernels.js';
import type { Kernel } from '../../src/backends/kernel/ir/kir.js';
import { printWgsl } from '../../src/backends/kernel/print/wgsl/print.js';
import { fromF16, toF16 } from '../../src/ir/half.js';
import type { KernelCase } from './kernel-cases.js';
import { webgpuEnvironment } from './webgpu.js';

export interface Job {
  readonly code: string;
  readonly layout: readonly string[];
  readonly grid?: readonly [number, number, number];
  readonly buffers?: readonly string[];
  readonly out?: number;
}

export interface Answer {
  /** complaints of the compiler and the pipeline */
  readonly messages: readonly string[];
  readonly out: string | null;
}

const CHILD = join(import.meta.dirname, 'dawn-child.mjs');
const base64 = (data: ArrayBufferView) =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

/** Whether Dawn (the package "webgpu") is installed; in CI it must be. */
function hasDawn(): boolean {
  if (existsSync(join(import.meta.dirname, '../../node_modules/webgpu/index.js'))) return true;
  if (process.env.CI === 'true') throw new Error('CI needs the package "webgpu"');
  console.warn('WGSL tests are skipped: the package "webgpu" is not installed');
  return false;
}

/** The environment in which kernels can be executed, or null where they cannot. */
export const dawnEnvironment = () => (hasDawn() ? webgpuEnvironment() : null);
/** The environment in which kernels can be validated without a driver, or null. */
export const validationEnvironment = (): Record<string, string> | null => (hasDawn() ? {} : null);

function layoutOf(kernel: Kernel): string[] {
  const storage = kernel.buffers.map(({ access }) => (access === 'read' ? 'read-only-storage' : 'storage'));
  return kernel.uniforms.length > 0 ? [...storage, 'uniform'] : storage;
}

/** A kernel to compile only. */
export const validation = (kernel: Kernel): Job => ({ code: printWgsl(kernel), layout: layoutOf(kernel) });

/** A kernel to run on the contents of a case. */
export function execution(kernel: Kernel, { launch, bound, buffers, out }: KernelCase): Job {
  const contents = kernel.buffers.map(({ name, elem }) =>
    base64(elem === 'f16' ? halves(buffers[name]!) : elem === 'u8' ? bytes(buffers[name]!) : buffers[name]!),
  );
  if (kernel.uniforms.length > 0) {
    contents.push(base64(Uint32Array.from(kernel.uniforms, ({ name }) => bound[name]!)));
  }
  return {
    ...validation(kernel),
    grid: gridOf(launch, bound),
    buffers: contents,
    out: kernel.buffers.findIndex(({ name }) => name === out),
  };
}

/** Compiles, and runs where requested, all jobs in one process. */
export function runDawn(
  backend: 'null' | 'vulkan',
  environment: Record<string, string>,
  jobs: readonly Job[],
): readonly Answer[] {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-dawn-'));
  try {
    const [input, output] = [join(folder, 'jobs.json'), join(folder, 'results.json')];
    writeFileSync(input, JSON.stringify({ backend, jobs }));
    execFileSync(process.execPath, [CHILD, input, output], {
      env: { ...process.env, ...environment },
      stdio: 'pipe',
    });
    return JSON.parse(readFileSync(output, 'utf8')) as Answer[];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Bytes, as many as words have: buffers are written in words. */
function bytes(data: ArrayLike<number>): Uint8Array {
  const all = new Uint8Array(4 * Math.ceil(data.length / 4));
  all.set(data);
  return all;
}

/** Numbers as float16, of an even count: buffers are written in words. */
function halves(data: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(data.length + (data.length % 2));
  for (let i = 0; i < data.length; i++) bits[i] = toF16(data[i]!);
  return bits;
}

/** The first `count` numbers of an answer in float16. */
export function fromHalves(text: string, count: number): Float64Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return Float64Array.from(new Uint16Array(bytes.buffer).subarray(0, count), fromF16);
}

/** The floats of an answer. */
export function floats(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer);
}
