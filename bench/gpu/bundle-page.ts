import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Rolldown } from 'vite';

/**
 * A module and all that it imports in one script for a page, as a bundler makes it. `root`: where packages are looked for; `alias`: the
 * files of what it imports by other names.
 */
export async function bundledScript(
  root: string,
  input: string,
  alias: Readonly<Record<string, string>>,
): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root,
    resolve: { alias },
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input, output: { format: 'es', codeSplitting: false } },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  return output[0].code;
}

/** The files of a folder by their addresses, and those of onnxruntime-web in the packages of `root` below `/ort/`. */
export const servedFiles =
  (root: string, folder: string) =>
  (address: string): Buffer | null => {
    const path = address.startsWith('/ort/')
      ? join(root, 'node_modules/onnxruntime-web/dist', address.slice('/ort/'.length))
      : join(folder, address);
    return existsSync(path) ? readFileSync(path) : null;
  };
