import { spawnSync } from 'node:child_process';
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';

/** The project in test/fixtures/bundlers, built from the packed package: in continuous integration, since it installs bundlers. */

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = join(ROOT, 'test/data/cases/train/gpt2c.onnx');
const BUNDLERS = ['vite', 'rollup', 'webpack', 'rspack', 'esbuild'];
const folder = mkdtempSync(join(tmpdir(), 'lotrc-bundlers-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(program: string, args: readonly string[], cwd: string): string {
  const { stdout, stderr, status } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

function project(name: string): string {
  const root = join(folder, name);
  cpSync(join(ROOT, 'test/fixtures/bundlers'), root, { recursive: true });
  mkdirSync(join(root, 'models'));
  cpSync(MODEL, join(root, 'models/net.onnx'));
  return root;
}

/** Files of a folder by their paths in it. */
function filesIn(root: string): ReadonlyMap<string, Buffer> {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return new Map(
    files
      .filter((name) => lstatSync(join(root, name)).isFile())
      .map((name) => [name, readFileSync(join(root, name))]),
  );
}

function built(root: string): ReadonlyMap<string, Buffer> {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run(process.execPath, ['build.mjs'], root);
  return filesIn(join(root, 'dist'));
}

describe.runIf(EVERYTHING)('a project that has only the package and bundlers', () => {
  const root = project('one');
  let files: ReadonlyMap<string, Buffer> = new Map();

  test('lotrc and what it needs take at most 40 MB', { timeout: 900_000 }, () => {
    const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], ROOT);
    const [{ filename }] = JSON.parse(packed) as [{ readonly filename: string }];
    const install = (where: string) => {
      const words = ['install', '--no-audit', '--no-fund', '--no-save', join(folder, filename)];
      run('npm', words, where);
    };
    // npm would count bundlers in, which unplugin has as optional peers
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    install(alone);
    const sizes = [...filesIn(join(alone, 'node_modules')).values()].map(({ length }) => length);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(10e6);
    expect(bytes).toBeLessThan(40e6);
    install(root);
  });

  test('has the files of `lotrc rewrite` from every bundler', async () => {
    files = built(root);
    const output = join(folder, 'expected.onnx');
    const words = ['--rank', '2', '--target', 'c_attn', '-o', output];
    expect((await lotrc('rewrite', MODEL, ...words)).code).toBe(0);
    for (const bundler of BUNDLERS) {
      const own = [...files].filter(([name]) => name.startsWith(bundler));
      const script = own.find(([name]) => name.endsWith('.js'))![1].toString();
      for (const ending of ['.onnx', '.safetensors']) {
        const made = own.filter(([name]) => name.endsWith(ending));
        expect(made, bundler).toHaveLength(1);
        const [name, bytes] = made[0]!;
        expect(bytes.equals(readFileSync(output.replace('.onnx', ending))), name).toBe(true);
        expect(script).toContain(name.slice(name.lastIndexOf('/') + 1));
      }
    }
  });

  test('gives the same bytes again, and in another folder', () => {
    const changed = (others: ReadonlyMap<string, Buffer>) =>
      [...files].filter(([name, bytes]) => !others.get(name)?.equals(bytes)).map(([name]) => name);
    expect(changed(built(root))).toEqual([]);
    const other = project('another/deep');
    const installed = join(root, 'node_modules');
    mkdirSync(join(other, 'node_modules'));
    for (const name of readdirSync(installed).filter((one) => one !== '.cache'))
      symlinkSync(join(installed, name), join(other, 'node_modules', name));
    expect(changed(built(other))).toEqual([]);
  });
});
