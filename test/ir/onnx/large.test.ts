import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { inspect } from '../../../src/inspect.js';
import { writeSafetensors } from '../../../src/ir/files/safetensors.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { extract, rewrite, strip } from '../../../src/rewrite.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-large-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const WIDTH = 36_000;
const BYTES = 4 * WIDTH * WIDTH;

/** A model with one weight of 5.2 GB in a file without blocks on the disk. */
function writeLarge(): { readonly folder: string; readonly path: string } {
  const folder = mkdtempSync(join(scratch, 'case-'));
  const path = join(folder, 'model.onnx');
  writeFileSync(join(folder, 'w.bin'), '');
  truncateSync(join(folder, 'w.bin'), BYTES);
  const text = `<ir_version: 8, opset_import: ["" : 17]>
g (float[n, ${WIDTH}] x) => (float[n, ${WIDTH}] y)
< float[${WIDTH},${WIDTH}] "fc.weight" = ["location": "w.bin", "offset": "0", "length": "${BYTES}"] >
{ ["/fc/MatMul"] h = MatMul (x, "fc.weight")  y = Relu (h) }`;
  writeModel(parseModel(text, join(folder, 'model.onnxtxt')), path, { weights: 'link' });
  return { folder, path };
}

describe('a model beyond 2 GiB', () => {
  test('is read, inspected, rewritten, extracted and stripped without its weights in memory', () => {
    const { folder, path } = writeLarge();
    const before = process.resourceUsage().maxRSS;
    expect(inspect(readModel(path)).sites.map((site) => [site.module, site.in])).toEqual([['fc', WIDTH]]);
    const model = readModel(path);
    rewrite(model, { rank: 2, targets: ['.*'] });
    const adapted = join(folder, 'adapted.onnx');
    writeModel(model, adapted);
    expect(statSync(adapted).size).toBeLessThan(2e6);
    const { tensors } = extract(readModel(adapted));
    expect([...tensors.values()].map(({ shape }) => shape)).toEqual([
      [WIDTH, 2],
      [2, WIDTH],
      [2, 2],
    ]);
    writeSafetensors(join(folder, 'adapter.safetensors'), tensors, {});
    const stripped = readModel(adapted);
    strip(stripped);
    const [value] = stripped.graph.initializers.values();
    expect(value!.constant!.byteLength).toBe(BYTES);
    expect(value!.constant!.slice(BYTES - 8, 8)).toEqual(new Uint8Array(8));
    // kilobytes; the factors alone have 0.6 MB
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(100_000);
  });

  test('whose data file ends early is refused when the data is read, and not before', () => {
    const { folder, path } = writeLarge();
    truncateSync(join(folder, 'w.bin'), BYTES - 1);
    const model = readModel(path);
    const [value] = model.graph.initializers.values();
    expect(() => value!.constant!.slice(0, 8)).toThrow(/LOTR1102/);
    expect(() => writeModel(model, join(folder, 'copy.onnx'), { weights: 'copy' })).toThrow(/LOTR1102/);
  });

  test('whose data file is replaced while it is open is refused', () => {
    const { folder, path } = writeLarge();
    const model = readModel(path);
    const [value] = model.graph.initializers.values();
    value!.constant!.slice(0, 8);
    truncateSync(join(folder, 'w.bin'), 100);
    expect(() => value!.constant!.slice(4096, 8)).toThrow(/LOTR1006/);
  });
});
