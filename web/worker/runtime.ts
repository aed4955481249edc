import type * as Ort from 'onnxruntime-web';
import gpuModule from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import gpuBinary from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import wasmModule from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasmBinary from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import type { ProviderView } from '../protocol.js';

/** ONNX Runtime Web, of the page's own files. */

/** More threads make steps of small models no faster. */
const MOST_THREADS = 4;

/** Threads that ONNX Runtime may have here: one without cross-origin isolation, which shared memory needs. */
export const threadsHere = (): number =>
  globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;

/** Loads ONNX Runtime for a provider. One worker keeps the threads that it began with. */
export async function runtimeFor(provider: ProviderView['name'], threads: number): Promise<typeof Ort> {
  const ort =
    provider === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
  const [module, binary] = provider === 'webgpu' ? [gpuModule, gpuBinary] : [wasmModule, wasmBinary];
  ort.env.wasm.wasmPaths = { mjs: here(module), wasm: here(binary) };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  return ort;
}

const here = (url: string): string => new URL(url, globalThis.location.href).href;

export async function providersHere(): Promise<readonly ProviderView[]> {
  const threads = threadsHere();
  const why =
    threads > 1
      ? `on the processor, ${threads} threads`
      : globalThis.crossOriginIsolated
        ? 'on the processor, which has one core'
        : 'on the processor, one thread: this page is not cross-origin isolated, so it has no shared memory';
  return [{ name: 'wasm', usable: true, why }, await webgpuHere()];
}

async function webgpuHere(): Promise<ProviderView> {
  const no = (why: string): ProviderView => ({ name: 'webgpu', usable: false, why });
  if (!navigator.gpu) return no('this browser has no WebGPU');
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  if (!adapter) return no('this browser has WebGPU, and no device for it');
  const { vendor, architecture, description } = adapter.info;
  const device =
    [description || vendor, architecture].filter((part) => part !== '').join(' ') || 'the graphics card';
  return { name: 'webgpu', usable: true, why: `on ${device}` };
}
