import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type * as Node from 'onnxruntime-node';
import type * as Web from 'onnxruntime-web';
import { build, type Rolldown } from 'vite';
import { expect, expectTypeOf, test } from 'vitest';
import type { GivenBatch, OrtModule, OrtTensorLike } from '../../src/runtime/index.js';

const ROOT = join(import.meta.dirname, '../..');
const ENTRY = 'lotrc-runtime-entry';

type Chunk = Rolldown.OutputChunk;

/** `lotrc/runtime` as a bundler packs what a page imports of it, from the build: what is loaded at once, and what when it is used. */
async function bundled(
  names: string,
): Promise<{ readonly atOnce: readonly Chunk[]; readonly later: readonly Chunk[] }> {
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
      modulePreload: false,
      rolldownOptions: {
        input: ENTRY,
        preserveEntrySignatures: 'strict',
        output: { format: 'es', minify: true },
      },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  const chunks = output.filter((one): one is Chunk => one.type === 'chunk');
  const first = new Set<string>();
  const reach = (chunk: Chunk): void => {
    first.add(chunk.fileName);
    for (const other of chunks)
      if (chunk.imports.includes(other.fileName) && !first.has(other.fileName)) reach(other);
  };
  reach(chunks.find(({ isEntry }) => isEntry)!);
  const isFirst = ({ fileName }: Chunk) => first.has(fileName);
  return { atOnce: chunks.filter(isFirst), later: chunks.filter((chunk) => !isFirst(chunk)) };
}

const sizeOf = (chunks: readonly Chunk[]): number =>
  chunks.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);

test.each([
  ['AdapterSession', 11, 11],
  ['TrainingRun', 20, 23],
  ['AdapterSession, TrainingRun', 24, 27.5],
])(
  '%s takes at most %f kB compressed at once, %f kB with what it loads when it is used',
  async (names, first, all) => {
    const { atOnce, later } = await bundled(names);
    const files = new Set([...atOnce, ...later].map(({ fileName }) => fileName));
    for (const { code, imports, dynamicImports } of [...atOnce, ...later]) {
      expect([...imports, ...dynamicImports].filter((other) => !files.has(other))).toEqual([]);
      expect(code).not.toMatch(/\bfrom\s*["'`]node:|\brequire\s*\(|\bBuffer\b|\bprocess\./);
    }
    const [own, whole] = [sizeOf(atOnce), sizeOf(atOnce) + sizeOf(later)];
    console.log(
      `lotrc/runtime, ${names}: ${own} bytes compressed (limit ${1000 * first}), ${whole} with what is loaded when it is used (limit ${1000 * all})`,
    );
    expect(own).toBeLessThan(first * 1000);
    expect(whole).toBeLessThan(all * 1000);
  },
);

test('both packages of ONNX Runtime are what it takes, and their tensors are batches', () => {
  expectTypeOf<typeof Web>().toExtend<OrtModule>();
  expectTypeOf<typeof Node>().toExtend<OrtModule>();
  expectTypeOf<Web.Tensor>().toExtend<OrtTensorLike>();
  expectTypeOf<Readonly<Record<string, Web.Tensor>>>().toExtend<GivenBatch>();
});
