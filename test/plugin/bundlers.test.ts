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

interface Installed {
  readonly [names: string]: Readonly<Record<string, unknown>> | undefined;
}

/** Folders of lotrc and of the packages that an installation of it alone has: bundlers, which are optional peers of some, are not among them. */
function needed(root: string): ReadonlySet<string> {
  const lock = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Installed>>;
  };
  const places = new Set(['node_modules/lotrc']);
  for (const place of places) {
    const { dependencies, peerDependencies, peerDependenciesMeta } = lock.packages[place]!;
    const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]);
    for (const name of [...Object.keys(dependencies ?? {}), ...peers]) {
      // as Node looks for it: in its own folder, then further out
      let from = `${place}/`;
      while (!lock.packages[`${from}node_modules/${name}`]) {
        if (from === '') throw new Error(`${name}, which ${place} needs, is not installed`);
        from = from.slice(0, from.lastIndexOf('node_modules/', from.length - 2));
      }
      places.add(`${from}node_modules/${name}`);
    }
  }
  return places;
}

/** Bytes of a package without those that are installed in it. */
function sizeOf(place: string): number {
  const own = [...filesIn(place)].filter(([name]) => !name.startsWith('node_modules/'));
  return own.reduce((sum, [, { length }]) => sum + length, 0);
}

describe.runIf(EVERYTHING)('a project that has only the package and bundlers', () => {
  const root = project('one');
  let files: ReadonlyMap<string, Buffer> = new Map();

  test('lotrc and what it needs take at most 40 MB', { timeout: 900_000 }, () => {
    const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], ROOT);
    const [{ filename }] = JSON.parse(packed) as [{ readonly filename: string }];
    run('npm', ['install', '--no-audit', '--no-fund', '--no-save', join(folder, filename)], root);
    const bytes = [...needed(root)].reduce((sum, place) => sum + sizeOf(join(root, place)), 0);
    expect(bytes).toBeGreaterThan(10e6);
    expect(bytes).toBeLessThan(40e6);
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
