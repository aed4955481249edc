import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadModel } from '../../cli/load.js';
import { depfileText } from '../../src/build/depfile.js';
import { FileTable } from '../../src/build/file-table.js';
import { Store } from '../../src/build/store.js';
import { filesOf, storedTensors } from '../../src/ir/files-of.js';
import { Graph, Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { toF32 } from '../../src/ir/values.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-build-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test('a table knows a file by its bytes, also of the same length and at the same second, and forgets what is gone', () => {
  const file = at('a');
  writeFileSync(file, 'one');
  const table = new FileTable(at('cache'));
  const first = table.digest(file);
  table.setData(file, ['b']);
  writeFileSync(file, 'two');
  const second = table.digest(file);
  expect(second).not.toBe(first);
  // of other bytes nothing is known
  expect(table.dataOf(file)).toBeNull();
  table.setData(file, ['b']);
  table.save();
  utimesSync(file, 1, 1);
  const later = new FileTable(at('cache'));
  expect(later.digest(file)).toBe(second);
  expect(later.dataOf(file)).toEqual(['b']);
  rmSync(file);
  expect(later.digest(file)).toBeNull();
  for (const damage of ['', '{"version":"1","files":{"x":1}}', '{"version":"2","files":{}}']) {
    writeFileSync(at('cache/files.json'), damage);
    expect(new FileTable(at('cache')).dataOf(at('b'))).toBeNull();
  }
});

test('a store finds what was kept while all its files are as they were, and puts all of them in their places', () => {
  const store = new Store(at('store'));
  const digest = (path: string) => new FileTable(at('none')).digest(path);
  const key = '0'.repeat(64);
  const files = ['x', 'y'].map((path) => {
    writeFileSync(at(path), path);
    return { path, ...store.add(at(path), path === 'x' ? 'copy' : 'move') };
  });
  expect(digest(at('x'))).toBe(files[0]!.digest);
  expect(digest(at('y'))).toBeNull();
  const made = { version: 1, files, about: '', counts: null, diagnostics: [] } as const;
  store.keep(key, made);
  expect(store.find(key, digest)).toEqual(made);
  store.place(files, (path) => at(`placed/${path}`));
  expect(readFileSync(at('placed/y'), 'utf8')).toBe('y');
  writeFileSync(store.object(files[1]!.digest), 'z');
  expect(store.find(key, digest)).toBeNull();
  for (const damage of ['', '{}', '{"version":1,"files":[{"path":"x"}],"diagnostics":[]}', 'null']) {
    writeFileSync(at(`store/made/${key}.json`), damage);
    expect(store.find(key, digest)).toBeNull();
  }
});

test('the files of a model are its own and those of its weights', () => {
  copyFileSync(join(import.meta.dirname, '../data/cases/train/gpt2c.onnx'), at('base.onnx'));
  expect(filesOf(readModel(at('base.onnx')))).toEqual([at('base.onnx')]);
  writeModel(readModel(at('base.onnx')), at('link.onnx'), { weights: 'link' });
  expect(filesOf(readModel(at('link.onnx')))).toEqual([at('link.onnx'), at('base.onnx')]);
  expect(filesOf(new Model(new Graph('none')))).toEqual([]);
});

test('a Constant whose value lies in a file is not written over, and stays what it is in another folder', () => {
  writeFileSync(at('held.bin'), Buffer.from(Float32Array.from([0.5, -2, 3]).buffer));
  const text = `<ir_version: 8, opset_import: ["" : 17]>
g (float[3] x) => (float[3] y)
{
  c = Constant <value: tensor = float[3] c = ["location": "held.bin", "offset": "0", "length": "12"]> ()
  y = Add (x, c)
}
`;
  writeFileSync(at('held.onnxtxt'), text);
  const model = () => loadModel(at('held.onnxtxt'));
  expect(filesOf(model())).toContain(at('held.bin'));
  expect(() => writeModel(model(), at('held.bin'))).toThrow('LOTR1202');
  mkdirSync(at('elsewhere'));
  writeModel(model(), at('elsewhere/held.onnx'));
  const again = readModel(at('elsewhere/held.onnx'));
  const [tensor] = [...storedTensors(again)];
  expect(Array.from(toF32(tensor!))).toEqual([0.5, -2, 3]);
});

test('a rule names outputs and inputs as Make and Ninja read them', () => {
  expect(depfileText(['a b.onnx', 'c'], ['x#1', 'y$'])).toBe(
    'a\\ b.onnx c: x\\#1 \\\n  y$$\n\nx\\#1:\n\ny$$:\n',
  );
});
