import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** Gives a folder the package lotrc and some of those that it has installed, as a program there finds them. */
export function linkPackages(folder: string, names: readonly string[]): void {
  const packages = new Map([
    ['lotrc', ROOT],
    ...names.map((name) => [name, join(ROOT, 'node_modules', name)] as const),
  ]);
  for (const [name, target] of packages) {
    const place = join(folder, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(target, place);
  }
}
