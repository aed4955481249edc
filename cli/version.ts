import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder with package.json, which lies above this file in the sources and in the build alike. */
export function packageFolder(): string | null {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) return null;
    folder = above;
  }
  return folder;
}

/** The version in package.json. */
export function version(): string {
  const folder = packageFolder();
  if (folder === null) return 'unknown';
  const { version: text } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    version: string;
  };
  return text;
}
