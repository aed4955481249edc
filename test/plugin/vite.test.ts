import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, createServer } from 'vite';
import { afterAll, expect, test } from 'vitest';
import { makeImport } from '../../cli/plugin/make.js';
import { keepImport, keptImport } from '../../cli/plugin/request.js';
import lotr from '../../cli/plugin/vite.js';
import { lotrc } from '../support/cli.js';
import { pause } from '../support/processes.js';

const CASES = join(import.meta.dirname, '../data/cases/train');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-vite-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A project that imports a model. */
function project(name: string, request: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, 'models'), { recursive: true });
  copyFileSync(join(CASES, 'gpt2c.onnx'), join(root, 'models/net.onnx'));
  writeFileSync(join(root, 'package.json'), '{ "private": true }');
  writeFileSync(
    join(root, 'main.js'),
    `import { adapter, model } from ${JSON.stringify(request)};\nconsole.log(model, adapter);\n`,
  );
  return root;
}

/** What a build of it gives, by path. */
async function built(root: string): Promise<ReadonlyMap<string, Buffer>> {
  const target = { rolldownOptions: { input: join(root, 'main.js') } };
  await build({ root, configFile: false, logLevel: 'silent', plugins: [lotr()], build: target });
  const dist = join(root, 'dist');
  const paths = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return new Map(paths.map((one) => [one.name, readFileSync(join(one.parentPath, one.name))]));
}

const REQUEST = './models/net.onnx?lotr&rank=2&targets=c_attn&targets=c_proj&keepFunctions';

test('a build has the model and the adapter that `lotrc rewrite` writes, the same in any folder', async () => {
  const root = project('one', REQUEST);
  const files = await built(root);
  const named = (ending: RegExp) => [...files.keys()].find((name) => ending.test(name))!;
  const model = named(/^net-[\w-]{8}\.onnx$/);
  const adapter = named(/^net-[\w-]{8}\.safetensors$/);
  expect(files.get(named(/\.js$/))!.toString()).toContain(`(\`/assets/${model}\`,\`/assets/${adapter}\`)`);
  const words = '--rank 2 --target c_attn --target c_proj --keep-functions'.split(' ');
  const output = join(folder, 'expected.onnx');
  expect(await lotrc('rewrite', join(root, 'models/net.onnx'), ...words, '-o', output)).toMatchObject({
    code: 0,
  });
  expect(files.get(model)!.equals(readFileSync(output))).toBe(true);
  expect(files.get(adapter)!.equals(readFileSync(join(folder, 'expected.safetensors')))).toBe(true);
  expect([...(await built(project('other/deep', REQUEST)))]).toEqual([...files]);

  // the server gives the same files, from the cache, and others when the model changes
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'silent',
    plugins: [lotr()],
    optimizeDeps: { noDiscovery: true },
    server: { middlewareMode: true, ws: false },
  });
  try {
    const urls = async () =>
      (await server.ssrLoadModule(REQUEST.slice(1))) as Readonly<Record<string, string>>;
    const served = (url: string | undefined) => readFileSync(join(root, url!.replace(/[?].*$/, '')));
    const before = await urls();
    expect(served(before.model).equals(files.get(model)!)).toBe(true);
    expect(served(before.adapter).equals(files.get(adapter)!)).toBe(true);
    const base = join(root, 'models/net.onnx');
    writeFileSync(base, readFileSync(join(CASES, 'bert2.onnx')));
    server.watcher.emit('change', base);
    // no layer of the other model is called so
    const refused = async () =>
      urls().then(
        () => null,
        ({ message }: Error) => message,
      );
    let said = await refused();
    for (; said === null; said = await refused()) await pause(20);
    expect(said).toContain('error LOTR3002: --target "c_attn" matches no layer');
  } finally {
    await server.close();
  }
});

test.each([
  ['./models/net.onnx?lotr&rnk=2', 'the import "rnk" is not an option of an import', 'did you mean "rank"?'],
  ['./models/net.onnx?lotr&rank=2&target=a', '"target"', '--target of the command line is "targets" here'],
  ['./models/net.onnx?rank=0&lotr', '"rank" takes a whole number of at least 1, not "0"', 'docs/plugin.md'],
  ['./models/net.onnx?lotr&rank=1&rank=2', 'gives "rank" twice', 'docs/plugin.md'],
  ['./models/net.onnx?lotr', '"rank" is missing: rank of the adapters', 'add &rank= and its value'],
  ['./models/non.onnx?lotr&rank=1', 'names a file that is not there, from', 'docs/plugin.md'],
  ['net.onnx?lotr&rank=1', 'is not a path', 'write one that begins with ./ or ../'],
])('%s is refused', (request, why, hint) => {
  const root = join(folder, 'one');
  const refused = () => keepImport(request, join(root, 'main.js'), undefined);
  expect(refused).toThrow('error LOTR8320: the import ');
  expect(refused).toThrow(why);
  expect(refused).toThrow(hint);
});

test('a model of more than 2 GiB is refused, and its weights are not read', () => {
  const root = project('large', './models/large.onnxtxt?lotr&rank=2');
  const model = join(root, 'models/large.onnxtxt');
  const [rows, columns] = [32768, 16384];
  writeFileSync(
    model,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[n, ${rows}] x) => (float[n, ${columns}] y)
< float[${rows}, ${columns}] w = ["location": "large.data", "offset": "0", "length": "${4 * rows * columns}"] >
{ y = MatMul (x, w) }
`,
  );
  // a file of holes
  writeFileSync(join(root, 'models/large.data'), '');
  truncateSync(join(root, 'models/large.data'), 4 * rows * columns);
  const kept = keepImport('./models/large.onnxtxt?lotr&rank=2', join(root, 'main.js'), undefined);
  return expect(makeImport(keptImport(kept))).rejects.toThrow(/error LOTR8321: .*\n.*\n.*`lotrc build`/);
});

test('a bundler shows what is wrong, without a stack', async () => {
  const root = project('bad', './models/net.onnx?lotr&rnk=2');
  const error = (await built(root).catch((one: unknown) => one)) as Error;
  expect(error.message).toMatch(/error LOTR8320: .*\n.*\n.*did you mean "rank"\?/);
  expect(`${error.message}\n${error.stack}`).not.toContain('readQuery');
});
