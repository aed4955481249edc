import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer, Job } from './dawn.js';

const CHILD = join(import.meta.dirname, 'dawn-child.mjs');
/** Mesa's software driver, which has 16-bit floats. */
const DRIVER = '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json';

/**
 * Deno, of which WebGPU is wgpu and the WGSL front end naga, and the environment in which it meets a driver; null where there
 * is none. LOTRC_DENO names the program if it is not in the path. In CI there must be one.
 */
export function denoProgram(): string | null {
  const program = process.env.LOTRC_DENO ?? 'deno';
  const found = spawnSync(program, ['--version']).status === 0 && existsSync(DRIVER);
  if (found) return program;
  if (process.env.CI === 'true') throw new Error('CI needs Deno (LOTRC_DENO) and the driver lavapipe');
  console.warn('a second WGSL compiler is skipped: there is no Deno, or not the Vulkan driver lavapipe');
  return null;
}

/** How Deno is called, and the environment in which it finds the driver. */
export const denoCommand = (program: string): [string, ...string[]] => [
  program,
  'run',
  '--no-config',
  '--unstable-webgpu',
  '-A',
];
export const denoEnvironment = (folder: string): Record<string, string> => ({
  VK_ICD_FILENAMES: DRIVER,
  XDG_RUNTIME_DIR: folder,
  NO_COLOR: '1',
});

/** Compiles, and runs where requested, all jobs in one process. */
export function runDeno(program: string, jobs: readonly Job[]): readonly Answer[] {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-deno-'));
  try {
    const [input, output] = [join(folder, 'jobs.json'), join(folder, 'results.json')];
    writeFileSync(input, JSON.stringify({ backend: 'vulkan', jobs }));
    const [file, ...flags] = denoCommand(program);
    execFileSync(file, [...flags, CHILD, input, output], {
      env: { ...process.env, ...denoEnvironment(folder) },
      stdio: 'pipe',
    });
    return JSON.parse(readFileSync(output, 'utf8')) as Answer[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
