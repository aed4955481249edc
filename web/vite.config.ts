import { join } from 'node:path';
import { defineConfig } from 'vite';

const ROOT = join(import.meta.dirname, '..');

/** What is different in a browser: the platform, and the parser of tables with what it has of Node inside. */
const resolve = {
  alias: {
    '#platform': join(ROOT, 'src/platform/web.ts'),
    'csv-parse': 'csv-parse/browser/esm',
  },
  // ONNX Runtime's WebAssembly is a file of the page, which web/worker/runtime.ts names
  conditions: ['onnxruntime-web-use-extern-wasm', 'module', 'browser', 'production'],
};

/** The playground as static files, wherever they are put: addresses are relative. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  resolve,
  worker: { format: 'es' },
  build: {
    outDir: join(ROOT, 'dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
  },
});
