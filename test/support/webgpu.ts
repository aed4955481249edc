import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { HostTensor } from '../../src/backends/ort/messages.js';
import { ORT_TYPES } from '../../src/backends/ort/messages.js';
import type { HostOptions, OrtProcess } from '../../src/backends/ort/process.js';
import type { Tensor } from './ort.js';

/** SwiftShader, a Vulkan driver on the CPU, comes with Chromium and its derivatives. VK_ICD_FILENAMES names another. */
const DRIVERS = [
  ...(process.env.VK_ICD_FILENAMES ? [process.env.VK_ICD_FILENAMES] : []),
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];

/**
 * The environment in which a process finds a WebGPU adapter that computes the same on every machine, or null where there
 * is not a driver: tests then skip, saying so. In CI its absence is a failure. Only one process start reads it, so it must
 * be the environment of a child.
 */
export function webgpuEnvironment(): Record<string, string> | null {
  const driver = process.platform === 'linux' ? DRIVERS.find((path) => existsSync(path)) : undefined;
  if (driver) {
    // the Vulkan loader lies next to the driver; a system without libvulkan1 has no other
    const libraries = [process.env.LD_LIBRARY_PATH, dirname(driver)].filter(Boolean).join(delimiter);
    return {
      VK_ICD_FILENAMES: driver,
      LD_LIBRARY_PATH: libraries,
      XDG_RUNTIME_DIR: mkdtempSync(join(tmpdir(), 'lotrc-webgpu-')),
    };
  }
  const why = `no SwiftShader driver at ${DRIVERS.join(', ')}: install the package "chromium"`;
  if (process.env.CI === 'true') throw new Error(`CI needs a WebGPU driver; ${why}`);
  console.warn(`WebGPU tests are skipped: ${why}`);
  return null;
}

const DTYPES = new Map([...ORT_TYPES].map(([dtype, name]) => [name, dtype]));

/** Runs a graph in another process, with tensors as tests have them. */
export async function runIn(
  host: OrtProcess,
  path: string,
  feeds: Readonly<Record<string, Tensor>>,
  options: HostOptions,
): Promise<Record<string, Tensor>> {
  const packed = Object.entries(feeds).map(([name, { dtype, shape, data }]): [string, HostTensor] => {
    const { buffer, byteOffset, byteLength } = data as Float32Array;
    return [name, { dtype: DTYPES.get(dtype)!, shape, data: new Uint8Array(buffer, byteOffset, byteLength) }];
  });
  const results = await host.run(path, Object.fromEntries(packed), options);
  return Object.fromEntries(
    Object.entries(results).map(([name, { dtype, shape, data }]): [string, Tensor] => {
      const bytes = Uint8Array.from(data as Uint8Array);
      return [
        name,
        dtype === 'f32'
          ? { dtype: 'float32', shape, data: new Float32Array(bytes.buffer) }
          : { dtype: 'bool', shape, data: bytes },
      ];
    }),
  );
}
