import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type * as Node from 'onnxruntime-node';
import type * as Web from 'onnxruntime-web';
import { build, type Rolldown } from 'vite';
import { expect, expectTypeOf, test } from 'vitest';
import type { GivenBatch, OrtModule, OrtTensorLike } from '../../src/runtime/index.js';

const ROOT = join(import.meta.dirname, '../..');
const ENTRY = 'lotrc-runtime-entry';

/** `lotrc/runtime` as a bundler packs what a page imports of it, from the build. */
async function bundled(names: string): Promise<Rolldown.OutputChunk> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: ROOT,
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? id : null),
        load: (id) =>
          id === ENTRY ? `export { ${names} } from '${join(ROOT, 'dist/src/runtime/index.js')}';` : null,
      },
    ],
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: {
        input: ENTRY,
        preserveEntrySignatures: 'strict',
        output: { format: 'es', codeSplitting: false, minify: true },
      },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  return output[0];
}

test.each([
  ['AdapterSession', 12],
  ['TrainingRun', 24],
  ['AdapterSession, TrainingRun', 28],
])('%s takes at most %i kB compressed, and needs no other module', async (names, limit) => {
  const { code, imports, moduleIds } = await bundled(names);
  expect(imports).toEqual([]);
  expect(code).not.toMatch(/\bfrom\s*["'`]node:|\brequire\s*\(|\bBuffer\b|\bprocess\./);
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`lotrc/runtime, ${names}: ${size} bytes compressed, of ${moduleIds.length} modules`);
  expect(size).toBeLessThan(limit * 1000);
});

test('both packages of ONNX Runtime are what it takes, and their tensors are batches', () => {
  expectTypeOf<typeof Web>().toExtend<OrtModule>();
  expectTypeOf<typeof Node>().toExtend<OrtModule>();
  expectTypeOf<Web.Tensor>().toExtend<OrtTensorLike>();
  expectTypeOf<Readonly<Record<string, Web.Tensor>>>().toExtend<GivenBatch>();
});
