import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder `shared` next to the repository, or null where it is absent. In CI its absence is a failure. */
export function sharedDir(): string | null {
  const folder = resolve(import.meta.dirname, '../../../shared');
  if (existsSync(folder)) return folder;
  if (process.env.CI === 'true') throw new Error('CI needs the folder "shared" next to the repository');
  return null;
}

/** Every .onnx file in and below a folder, sorted. */
export function onnxFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(folder, name));
}
