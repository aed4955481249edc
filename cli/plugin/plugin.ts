import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createUnplugin, type UnpluginOptions } from 'unplugin';
import { formatDiagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import { type ImportedFiles, makeImport } from './make.js';
import { LOTR_IMPORT } from './query.js';
import { KEPT_IMPORT, keepImport, keptImport } from './request.js';
import type { LotrcPluginOptions } from './settings.js';

/** Files of the cache that are assets: a folder called after a digest, and a name. */
const ASSET = /[\\/]assets[\\/][0-9a-f]{16}[\\/][^\\/]+\.(?:onnx|safetensors)$/;

/** The plugin for all bundlers: `vite.ts` and the files next to it have it for one each. */
export const lotrcPlugin = createUnplugin<LotrcPluginOptions | undefined, false>((options, { framework }) => {
  // one at a time: each uses as many processors as it can
  let last: Promise<unknown> = Promise.resolve();
  const made = (file: string): Promise<ImportedFiles> => {
    const next = last.then(() => makeImport(keptImport(file)));
    last = next.catch(() => undefined);
    return next;
  };
  return {
    name: 'lotrc',
    enforce: 'pre',
    resolveId: {
      filter: { id: LOTR_IMPORT },
      handler: (id, importer) => plainly(() => keepImport(id, importer, options?.cache)),
    },
    load: {
      filter: { id: KEPT_IMPORT },
      async handler(id) {
        const files = await plainly(() => made(id));
        for (const file of files.reads) this.addWatchFile(file);
        for (const diagnostic of files.warnings) this.warn(formatDiagnostic(diagnostic));
        if (framework !== 'rollup') return moduleOf(files, framework === 'vite' ? '?url&no-inline' : '');
        // of Rollup itself: unplugin's own type gives no reference
        const emit = this.emitFile as unknown as (asset: object) => string;
        const url = (path: string) => {
          const source = readFileSync(path);
          return `import.meta.ROLLUP_FILE_URL_${emit({ type: 'asset', name: basename(path), source })}`;
        };
        return `export const model = ${url(files.model)};\nexport const adapter = ${url(files.adapter)};\n`;
      },
    },
    webpack: (compiler) => void compiler.options.module.rules.push(RULE),
    rspack: (compiler) => void compiler.options.module.rules.push(RULE),
    esbuild: {
      onResolveFilter: LOTR_IMPORT,
      onLoadFilter: KEPT_IMPORT,
      setup: (build) =>
        build.onLoad({ filter: ASSET }, async ({ path }: { path: string }) => ({
          contents: await readFile(path),
          loader: 'file',
        })),
    },
  } satisfies UnpluginOptions;
});

/** webpack and Rspack copy assets, and give their URLs. */
const RULE = { test: ASSET, type: 'asset/resource' } as const;

/** A module whose assets the bundler finds by itself. */
function moduleOf({ model, adapter }: ImportedFiles, ending: string): string {
  const path = (file: string) => JSON.stringify(`${file.replaceAll('\\', '/')}${ending}`);
  return `import model from ${path(model)};\nimport adapter from ${path(adapter)};\nexport { model, adapter };\n`;
}

/** Bundlers print the stack of an error: what lotrc says of a model or an import has none. */
async function plainly<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof LotrcError) error.stack = error.message;
    throw error;
  }
}
