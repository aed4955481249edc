import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FileSource } from '../../../src/ir/files/file-source.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { codeOf } from '../../support/code-of.js';
import { f32, maxDifference, noise, runOrt } from '../../support/ort.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-weights-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folder = '';
let serial = 0;
beforeEach(() => {
  folder = join(root, String(serial++));
  mkdirSync(folder);
});

/** y = x W + b with W [37, 41] (6,068 bytes) and b [41] (164 bytes: too small to be worth a reference). */
function linear(name = 'odd'): Model {
  const graph = new Graph(name);
  const x = graph.addInput('x', tensorType('f32', ['n', 37]));
  const w = graph.addInitializer('w', f32Tensor([37, 41], noise(37 * 41, 3)));
  const b = graph.addInitializer('b', f32Tensor([41], noise(41, 4)));
  const h = graph.append({ op: 'MatMul', inputs: [x, w], outputs: ['h'] }).outputs[0]!;
  const y = graph.append({ op: 'Add', inputs: [h, b], outputs: ['y'] }).outputs[0]!;
  y.setType(tensorType('f32', ['n', 41]));
  graph.addOutput(y);
  const model = new Model(graph);
  model.irVersion = 8;
  model.opsets.set('', 17);
  return model;
}

/** A base file, its result, and the base read again with an edit that leaves its meaning alone. */
async function base(at = folder) {
  const path = join(at, 'base.onnx');
  writeModel(linear(), path);
  const expected = (await runOrt(path, { x: f32([3, 37]) })).y!;
  const model = readModel(path);
  model.setMetadata('note', 'edited');
  return { path, expected, model };
}

test('link refers to the bytes inside the single-file base, and ONNX Runtime follows', async () => {
  const { expected, model } = await base();
  const out = join(folder, 'linked.onnx');
  const report = writeModel(model, out, { weights: 'link' });
  expect(report.dataFile).toBeNull();
  expect(statSync(out).size).toBeLessThan(600);
  const w = readModel(out).graph.initializers.get('w')!.constant!;
  expect(new Map(w.carried!.external!).get('location')).toBe('base.onnx');
  expect(maxDifference((await runOrt(out, { x: f32([3, 37]) })).y!, expected)).toBe(0);
});

test('link from another folder is refused and leaves nothing', async () => {
  const { model } = await base();
  const other = join(folder, 'other');
  mkdirSync(other);
  expect(codeOf(() => writeModel(model, join(other, 'out.onnx'), { weights: 'link' }))).toBe('LOTR1203');
  expect(readdirSync(other)).toEqual([]);
});

test('a linked file is kept linked next to its base, copied elsewhere, and can be made one file again', async () => {
  const { expected, model } = await base();
  const linked = join(folder, 'linked.onnx');
  writeModel(model, linked, { weights: 'link' });
  const again = readModel(linked);
  again.setMetadata('note', 'again');
  const beside = join(folder, 'beside.onnx');
  expect(writeModel(again, beside).dataFile).toBeNull();
  const other = join(folder, 'other');
  mkdirSync(other);
  const away = join(other, 'away.onnx');
  const report = writeModel(again, away);
  expect(report.dataFile?.path).toBe(`${away}.data`);
  const inline = join(other, 'inline.onnx');
  expect(writeModel(again, inline, { weights: 'inline' }).dataFile).toBeNull();
  for (const path of [beside, away, inline]) {
    expect(maxDifference((await runOrt(path, { x: f32([3, 37]) })).y!, expected)).toBe(0);
  }
  expect(readFileSync(inline).includes(Buffer.from('base.onnx'))).toBe(false);
});

describe('external data', () => {
  async function withLocation(location: string) {
    const { model } = await base();
    const linked = join(folder, 'linked.onnx');
    writeModel(model, linked, { weights: 'link' });
    const text = readFileSync(linked);
    const at = text.indexOf('base.onnx');
    expect(location.length).toBe('base.onnx'.length);
    text.write(location, at);
    writeFileSync(linked, text);
    return linked;
  }

  test('a path that climbs out is refused', async () => {
    const path = await withLocation('../secret');
    expect(codeOf(() => readModel(path))).toBe('LOTR1101');
  });
  test('an absolute path is refused', async () => {
    const path = await withLocation('/etc/host');
    expect(codeOf(() => readModel(path))).toBe('LOTR1101');
  });
  test('a link that leaves the folder is refused', async () => {
    writeFileSync(join(root, 'secret'), 'x'.repeat(9000));
    const path = await withLocation('link.onnx');
    symlinkSync(join(root, 'secret'), join(folder, 'link.onnx'));
    expect(codeOf(() => readModel(path))).toBe('LOTR1101');
  });
  test('a missing file is reported when its data is needed, not before', async () => {
    const path = await withLocation('gone.onnx');
    const w = readModel(path).graph.initializers.get('w')!.constant!;
    expect(w.shape).toEqual([37, 41]);
    expect(codeOf(() => w.bytes())).toBe('LOTR1102');
  });
  test('a file that is too short is reported', async () => {
    const path = await withLocation('tiny.onnx');
    writeFileSync(join(folder, 'tiny.onnx'), 'tiny');
    expect(codeOf(() => readModel(path).graph.initializers.get('w')!.constant!.bytes())).toBe('LOTR1102');
  });

  /** The cache of Hugging Face: snapshots/REV/NAME are links to blobs/HASH. */
  async function cache(data = 'blobs') {
    const { expected, model } = await base();
    const made = join(folder, 'made.onnx');
    writeModel(model, made, { weights: 'link' });
    const [blobs, snapshot, elsewhere] = ['blobs', 'snapshots/rev', 'elsewhere'].map((name) =>
      join(folder, name),
    );
    for (const each of [blobs!, snapshot!, elsewhere!]) mkdirSync(each, { recursive: true });
    const name = 'base.onnx';
    renameSync(made, join(blobs!, 'aa'));
    renameSync(join(folder, name), join(folder, data, 'bb'));
    symlinkSync('../../blobs/aa', join(snapshot!, 'made.onnx'));
    symlinkSync(`../../${data}/bb`, join(snapshot!, name));
    return { path: join(snapshot!, 'made.onnx'), data: join(snapshot!, name), expected };
  }

  test('links of a snapshot into one folder of blobs are followed, as by ONNX Runtime', async () => {
    const { path, expected } = await cache();
    expect(Buffer.from(readModel(path).graph.initializers.get('w')!.constant!.bytes())).toEqual(
      Buffer.from(f32Tensor([37, 41], noise(37 * 41, 3)).bytes()),
    );
    expect((await runOrt(path, { x: f32([3, 37]) })).y).toEqual(expected);
    // the graph of an output has no link to what its own folder does not hold
    const out = join(dirname(path), 'out.onnx');
    const model = readModel(path);
    model.setMetadata('note', 'edited');
    writeModel(model, out);
    expect((await runOrt(out, { x: f32([3, 37]) })).y).toEqual(expected);
  });

  test('a snapshot whose data lies in another folder than the blob of its model is refused', async () => {
    const { path } = await cache('elsewhere');
    expect(codeOf(() => readModel(path))).toBe('LOTR1101');
  });

  test('a link that leads to another file after the check is noticed', async () => {
    const { path, data } = await cache();
    const source = new FileSource(data);
    expect(() => source.checkIs(realpathSync(data))).not.toThrow();
    rmSync(data);
    writeFileSync(data, readFileSync(path));
    expect(codeOf(() => source.checkIs(realpathSync(data)))).toBe('LOTR1006');
  });

  test('data that changes after it was opened is noticed by a copy', async () => {
    const { path, data } = await cache();
    const model = readModel(path);
    model.graph.initializers.get('w')!.constant!.bytes();
    utimesSync(data, 1, 1);
    const out = join(folder, 'out.onnx');
    expect(codeOf(() => writeModel(model, out, { weights: 'copy' }))).toBe('LOTR1006');
    expect(existsSync(out)).toBe(false);
  });
});

test('a base that changes between reading and writing is noticed, and nothing appears', async () => {
  const { path, model } = await base();
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, Buffer.concat([bytes, Buffer.from([0])]));
  const out = join(folder, 'out.onnx');
  expect(codeOf(() => writeModel(model, out))).toBe('LOTR1006');
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(folder)).toEqual(['base.onnx']);
});

test('a folder that does not exist is made, a file in its place is named', () => {
  const below = (name: string) =>
    codeOf(() => writeModel(linear(), join(folder, name, 'out.onnx'), { weights: 'copy' }));
  expect(below('new/one')).toBe('none');
  expect(below('new/one/out.onnx')).toBe('LOTR1201');
});
