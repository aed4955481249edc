import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { publint } from 'publint';
import { afterAll, describe, expect, test } from 'vitest';
import { hostMissing } from '../src/ir/codes/cli.js';
import { allOrFirst, EVERYTHING } from './support/everything.js';

/** The package as users get it: packed, unpacked in a folder with its dependencies and nothing else, and used there. */

const ROOT = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-package-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface PackageJson {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}
const json = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as PackageJson;

function run(program: string, args: readonly string[], cwd = folder): string {
  const { stdout, stderr, status, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  expect({ error, status, stderr: status === 0 ? '' : stderr, stdout: status === 0 ? '' : stdout }).toEqual({
    error: undefined,
    status: 0,
    stderr: '',
    stdout: '',
  });
  return stdout;
}

const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], ROOT);
const [{ filename, files, size }] = JSON.parse(packed) as [
  {
    readonly filename: string;
    readonly size: number;
    readonly files: readonly { readonly path: string }[];
  },
];
const tarball = join(folder, filename);
const installed = join(folder, 'node_modules/lotrc');
mkdirSync(installed, { recursive: true });
run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
for (const name of Object.keys(json.dependencies)) {
  const place = join(folder, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), place);
}

describe('the package', () => {
  test('holds what users need, and neither the demo nor tests', () => {
    const paths = files.map(({ path }) => path);
    for (const path of [
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/config.schema.json',
      'docs/method.schema.json',
      'dist/cli/bin.cjs',
    ])
      expect(paths).toContain(path);
    const other = paths.filter((path) => !/^(?:dist\/(?:src|cli)\/|docs\/|[\w.]+$)/.test(path));
    expect([...other, ...paths.filter((path) => /^dist\/cli\/dev\/|\.test\.|^models/.test(path))]).toEqual(
      [],
    );
    expect(size).toBeLessThan(2_000_000);
  });

  test('is as registries and bundlers expect it (publint)', async () => {
    const { buffer, byteOffset, byteLength } = readFileSync(tarball);
    const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    expect((await publint({ pack: { tarball: bytes }, strict: true })).messages).toEqual([]);
  });

  test.runIf(EVERYTHING)('has types where modules are (are the types wrong)', async () => {
    // loads a compiler of its own
    const { checkPackage, createPackageFromTarballData } = await import('@arethetypeswrong/core');
    const result = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
    // lotrc has ES modules only, for Node and bundlers that know `exports`
    const meant = ({ kind, ...rest }: { kind: string; resolutionKind?: string }) =>
      kind === 'CJSResolvesToESM' || rest.resolutionKind === 'node10';
    expect(result.types ? result.problems.filter((problem) => !meant(problem)) : 'no types').toEqual([]);
  });

  test.each(
    allOrFirst([
      ['nodenext', 'nodenext'],
      ['node16', 'node16'],
      ['esnext', 'bundler'],
    ]),
  )('has types that need no others: --module %s --moduleResolution %s', (module, resolution) => {
    writeFileSync(
      join(folder, 'use.mts'),
      `/// <reference types="lotrc/client" />
import { type Diagnostic, readModel, rewrite, writeModel } from 'lotrc';
import { defineConfig } from 'lotrc/config';
import { readModel as readGiven, type SourceInput } from 'lotrc/core';
import { AdapterSession, TrainingRun } from 'lotrc/runtime';
import esbuild from 'lotrc/esbuild';
import rollup from 'lotrc/rollup';
import rspack from 'lotrc/rspack';
import vite from 'lotrc/vite';
import webpack from 'lotrc/webpack';
import { adapter, model as url } from './bert.onnx?rank=4&lotr';
const model = readModel('a.onnx');
export const { plan } = rewrite(model, { rank: 8 });
export const said: readonly Diagnostic[] = [];
export const runtimes = [AdapterSession, TrainingRun];
export const given = (input: SourceInput) => readGiven(input, { files: { 'w.bin': new Uint8Array(1) } });
writeModel(model, 'b.onnx');
export const urls: readonly string[] = [url, adapter];
export const plugins = [esbuild(), rollup(), rspack(), vite({ cache: 'c' }), webpack()];
export default defineConfig({ models: { a: { input: 'a.onnx', rewrite: { rank: 8 } } } });
// @ts-expect-error
defineConfig({ models: { a: { input: 'a.onnx', rewrite: { rnk: 8 } } } });
`,
    );
    const how = ['--module', module, '--moduleResolution', resolution, '--target', 'es2023', '--types', ''];
    const all = ['--singleThreaded', '--noEmit', '--strict', '--skipLibCheck', 'false', ...how, 'use.mts'];
    run(join(ROOT, 'node_modules/.bin/tsc'), all);
  });

  test('works without onnxruntime-node, and says what to install where that is needed', () => {
    cpSync(join(ROOT, 'test/data/cases/train/tied.ts.onnx'), join(folder, 'net.onnx'));
    const models = { net: { input: 'net.onnx', rewrite: { rank: 2 } } };
    writeFileSync(join(folder, 'lotrc.config.json'), JSON.stringify({ models }));
    const cases = join(ROOT, 'test/data/cases/train');
    const data = `--data ${join(cases, 'lmtext.jsonl')} --tokenizer ${join(cases, 'chars.json')}`;
    const commands = [
      'inspect net.onnx',
      'rewrite net.onnx --rank 2',
      'emit wgsl net.lotr.onnx -o wgsl',
      'emit onnx-train net.lotr.onnx -o training --shift',
      'demo',
      'verify net.onnx net.lotr.onnx',
      'check',
      `train training ${data} -o run`,
    ];
    writeFileSync(
      join(folder, 'all.mjs'),
      `const { main } = await import('./node_modules/lotrc/dist/cli/program.js');
const rows = [];
for (const line of ${JSON.stringify(commands)}) {
  let err = '';
  const code = await main(line.split(' '), { out: () => undefined, err: (text) => { err += text; } });
  rows.push(line.split(' ')[0] + ' ' + code + (code === 0 ? '' : ' ' + err.match(/error (.*\\n.*)/)?.[1]));
}
console.log(JSON.stringify(rows));
`,
    );
    const rows = JSON.parse(run(process.execPath, ['all.mjs'])) as string[];
    const wanted = json.devDependencies['onnxruntime-node']!;
    const why = `1 LOTR8003: the package onnxruntime-node, which runs models, is not installed
  hint: run \`npm install onnxruntime-node@${wanted}\` where lotrc is installed`;
    expect(rows).toEqual([
      ...commands.slice(0, 5).map((line) => `${line.split(' ')[0]} 0`),
      ...commands.slice(5).map((line) => `${line.split(' ')[0]} ${why}`),
    ]);
    expect(json.peerDependencies['onnxruntime-node']).toBe(`^${wanted}`);
    expect(hostMissing({ why: 'it does not load' }).message).toBe(
      'ONNX Runtime cannot be started: it does not load',
    );
  });

  test.each([
    ['18.20.8', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['24.1.0', true],
  ])('on Node %s: %s', (node, starts) => {
    const said: string[] = [];
    const ended = new Error('ended');
    const program = readFileSync(join(installed, 'dist/cli/bin.cjs'), 'utf8').replace(/^#!.*/, '');
    const start = () =>
      runInNewContext(program, {
        exports: {},
        console: { error: (text: string) => said.push(text) },
        require: (name: string) => said.push(name),
        process: {
          versions: { node },
          exit: () => {
            throw ended;
          },
        },
      });
    if (starts) start();
    else expect(start).toThrow(ended);
    expect(said).toEqual([
      starts ? './start.cjs' : `lotrc needs Node 20.19 or newer, and this is Node ${node}`,
    ]);
  });

  test('starts by its name', () => {
    expect(run(process.execPath, [join(installed, 'dist/cli/bin.cjs'), '--version'])).toBe(
      `${json.version}\n`,
    );
  });
});
