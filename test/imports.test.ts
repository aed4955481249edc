import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/**
 * Layers from the bottom up; a file may import from its own layer and those below. CONTRIBUTING.md says what each is.
 * The first prefix that fits a path counts.
 */
const LAYERS: readonly (readonly [prefix: string, level: number])[] = [
  ['src/adapter/to-onnx/', 1],
  ['src/adapter/', 0],
  ['src/options/', 0],
  ['src/platform/', 0],
  ['src/ir/', 0],
  ['src/init/', 1],
  ['src/passes/', 2],
  ['src/inspect', 3],
  ['src/rewrite', 3],
  ['src/interop/', 3],
  ['src/backends/', 4],
  ['src/train/', 4],
  ['src/build/', 5],
  ['src/runtime/', 5],
  ['src/core/', 5],
  ['src/compiler.ts', 5],
  ['src/core.ts', 5],
  ['src/index.ts', 5],
  ['cli/', 6],
  ['bench/', 7],
];

/** Packages that only some places may name, and how. */
const PACKAGES: Readonly<Record<string, { readonly where: RegExp; readonly lazy: boolean }>> = {
  protobufjs: { where: /^src\/(ir\/onnx|train\/logs)\//, lazy: false },
  'ts-morph': { where: /^(cli\/dev\/|src\/backends\/host\/webgpu\/module\/)/, lazy: false },
  'onnxruntime-node': { where: /^src\/backends\/ort\//, lazy: true },
  koffi: { where: /^src\/train\/distributed\/mpi\//, lazy: true },
  webgpu: { where: /^cli\/doctor\/device\.ts$/, lazy: true },
  jiti: { where: /^cli\/build\//, lazy: true },
  commander: { where: /^cli\//, lazy: false },
  'oniguruma-to-es': { where: /^src\/train\/data\/tokenizer\//, lazy: false },
  '@huggingface/jinja': { where: /^src\/train\/data\//, lazy: false },
  'csv-parse': { where: /^src\/train\/data\//, lazy: false },
  hyparquet: { where: /^src\/train\/data\/parquet\//, lazy: false },
  'hyparquet-writer': { where: /^src\/train\/logs\//, lazy: false },
  unplugin: { where: /^cli\/plugin\//, lazy: false },
  vitest: { where: /^cli\/plugin\/vitest\.ts$/, lazy: false },
  vite: { where: /^bench\/gpu\/bundle-page\.ts$/, lazy: false },
  '@noble/hashes': { where: /^src\/platform\/web\.ts$/, lazy: false },
};

interface Import {
  readonly file: string;
  readonly target: string;
  readonly kind: 'type' | 'static' | 'dynamic';
}

const files = ['src', 'cli', 'bench']
  .filter((folder) => existsSync(join(ROOT, folder)))
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  )
  .filter((name) => name.endsWith('.ts'))
  .sort();

/** The text of a file without its comments, which may quote imports. */
function codeOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

/** Imports of a file; `#platform` is a file of `src/platform`, as package.json says. */
function importsOf(file: string, platform = 'node'): Import[] {
  const own = relative(dirname(file), `src/platform/${platform}.js`);
  const text = codeOf(file).replaceAll("'#platform'", `'${own.startsWith('.') ? own : `./${own}`}'`);
  const found: Import[] = [];
  for (const [, type, target] of text.matchAll(
    /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/gm,
  )) {
    found.push({ file, target: target!, kind: type ? 'type' : 'static' });
  }
  for (const [, target] of text.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) {
    found.push({ file, target: target!, kind: 'static' });
  }
  for (const [, target] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ file, target: target!, kind: 'dynamic' });
  }
  return found;
}

const imports = files.flatMap((file) => importsOf(file));

function layerOf(path: string): number {
  const layer = LAYERS.find(([prefix]) => path.startsWith(prefix));
  if (!layer) throw new Error(`${path} is in no layer: add it to LAYERS`);
  return layer[1];
}

/** The source file that a relative import means. */
function targetOf(file: string, target: string): string {
  return relative(ROOT, resolve(ROOT, dirname(file), target)).replace(/\.js$/, '.ts');
}

/** The circles that a walk of a graph finds, each from the place where it was entered. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(' -> '));
    if (start >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return found;
}

/** Names of what runs models: execution providers, browsers and the libraries that they compute with. */
const RUNTIMES =
  /\b(?:cpu|cuda|webgpu|wgsl|wasm|directml|dml|tensorrt|openvino|coreml|chrom(?:e|ium)|firefox|safari|dawn|deno|swiftshader|nvidia|onnxruntime-web)\b|ExecutionProvider/i;

/** Layers that are the same whatever runs the model. */
const NEUTRAL = /^src\/(?:ir|adapter|init|passes|options)\//;

/** Files of neutral layers that name runtimes all the same, and why. */
const NAMES_RUNTIMES: Readonly<Record<string, string>> = {
  'src/ir/files/file-kind.ts': 'OpenVINO is also a format of files, which are not ONNX models',
};

/** Files of more than 500 lines, and why. */
const LONG: Readonly<Record<string, string>> = {};

/** Names that several files export all the same, and why. */
const SHARED_NAMES: Readonly<Record<string, string>> = {
  Log: 'an operator of ONNX, and a run in the public API',
  main: 'what a program runs',
};

/** Files whose exports are the words of a small language, short because they are read together in one place. */
const LANGUAGES: Readonly<Record<string, string>> = {
  'src/adapter/fields.ts': 'checks of JSON that lotrc wrote',
  'src/ir/files/schema.ts': 'shapes of JSON that others wrote',
  'src/options/types.ts': 'types of options',
  'src/passes/options.ts': 'types of options in the text of a pipeline',
  'src/backends/kernel/ir/kir.ts': 'statements and expressions of kernels',
  'src/backends/host/webgpu/module/structures.ts': 'declarations of a TypeScript module',
};

describe('imports', () => {
  test('are found at all', () => {
    expect(imports.length).toBeGreaterThan(300);
    expect(imports.filter(({ kind }) => kind === 'dynamic').length).toBeGreaterThan(5);
  });

  test('go one way: cli -> backends -> rewrite, inspect -> passes -> init -> ir', () => {
    const wrong = imports
      .filter(({ target }) => target.startsWith('.'))
      .map(({ file, target }) => ({ file, path: targetOf(file, target) }))
      .filter(({ file, path }) => layerOf(file) < layerOf(path))
      .map(({ file, path }) => `${file} -> ${path}`);
    expect(wrong).toEqual([]);
  });

  test('of values go in no circle', () => {
    const graph = new Map<string, string[]>();
    for (const { file, target, kind } of imports) {
      if (kind !== 'static' || !target.startsWith('.')) continue;
      graph.set(file, [...(graph.get(file) ?? []), targetOf(file, target)]);
    }
    expect(circles(graph)).toEqual([]);
    expect(circles(new Map(Object.entries({ a: ['b'], b: ['c', 'd'], c: ['a'], d: [] })))).toEqual([
      'a -> b -> c -> a',
    ]);
  });

  test('of sites name nothing that works on adapters', () => {
    const wrong = imports
      .filter(({ file, target }) => file.startsWith('src/passes/sites/') && target.startsWith('.'))
      .map(({ file, target }) => ({ file, path: targetOf(file, target) }))
      .filter(({ path }) =>
        /^src\/(?:passes\/adapters\/|adapter\/(?:.*\/|terms|contraction|derivative))/.test(path),
      )
      .map(({ file, path }) => `${file} -> ${path}`);
    // the method that is chosen where none is named
    expect(wrong).toEqual(['src/passes/sites/plan.ts -> src/adapter/methods/lotr.ts']);
  });

  test('name packages only where they belong', () => {
    const wrong = imports
      .filter(({ target }) => !target.startsWith('.') && !target.startsWith('node:'))
      .filter(({ file, target, kind }) => {
        const name = target.startsWith('@') ? target.split('/', 2).join('/') : target.split('/')[0]!;
        const rule = PACKAGES[name];
        return !rule?.where.test(file) || (rule.lazy && kind === 'static');
      })
      .map(({ file, target, kind }) => `${file} -> ${target} (${kind})`);
    expect(wrong).toEqual([]);
  });

  test('load neither onnxruntime-node nor ts-morph with a command, but for `emit wgsl` when it writes', () => {
    const reached = new Set([
      'cli/main.ts',
      // loaded by its back end when it writes
      'src/backends/host/cuda/cuda.ts',
      ...files.filter((file) => file.startsWith('cli/commands/')),
    ]);
    for (const file of reached) {
      for (const { target, kind } of importsOf(file)) {
        if (kind !== 'static') continue;
        expect(['onnxruntime-node', 'ts-morph'], file).not.toContain(target);
        if (target.startsWith('.')) {
          reached.add(targetOf(file, target));
        }
      }
    }
    expect(reached.size).toBeGreaterThan(150);
    // `emit cuda` does without what `emit wgsl` writes its module with
    expect([...reached]).toContain('src/backends/host/cuda/cuda.ts');
    expect([...reached]).not.toContain('src/backends/host/webgpu/webgpu.ts');
  });

  test('of lotrc/core lead to no module of Node, in a browser', () => {
    const reached = new Set(['src/core.ts']);
    const packages = new Set<string>();
    for (const file of reached) {
      for (const { target, kind } of importsOf(file, 'web')) {
        if (kind === 'type') continue;
        if (target.startsWith('.')) reached.add(targetOf(file, target));
        else packages.add(target);
      }
    }
    expect(reached.size).toBeGreaterThan(300);
    expect([...packages].sort()).toEqual(['@noble/hashes/sha2.js', 'protobufjs/minimal.js']);
    const globals = /\bBuffer\.|: Buffer\b|\bprocess\.|(?<![#.])\brequire\(|import\.meta/;
    expect([...reached].filter((file) => globals.test(codeOf(file)))).toEqual([]);
  });

  test('of commands are lazy: help and usage errors load nothing that works on models', () => {
    const declaring = files.filter((file) => file.startsWith('cli/declare/'));
    const reached = new Set(['cli/main.ts', ...declaring]);
    for (const file of reached) {
      for (const { target, kind } of importsOf(file)) {
        if (kind !== 'static' || !target.startsWith('.')) continue;
        reached.add(targetOf(file, target));
      }
    }
    // declarations: options, figures of devices, and back ends that load the rest when they are asked to
    const light =
      /^src\/(platform\/|ir\/codes\/|ir\/(attr|bytes|dtype|shape|tensor)\.|ir\/onnx\/model-folder\.|ir\/files\/(disk-files|disk-folder|file-kind|file-source|folders|named-files|pause|refuse-unreadable|regular|system-error|unreadable|janitor)\.|build\/(tune-set|presets)\.|options\/|train\/(losses|optimizers|metrics)\/|train\/option-set\.|backends\/codes\/|backends\/(backend|option-set|execution-providers|(onnx-train|ort|doctor)\/option-set)\.|backends\/host\/\w+\/back-end|backends\/host\/shared\/(check|optimizer)|backends\/kernel\/device\/)/;
    const heavy = [...reached].filter((file) => file.startsWith('src/') && !light.test(file));
    expect(heavy.sort()).toEqual(['src/ir/diagnostics.ts', 'src/ir/visible.ts']);
  });
});

describe('files', () => {
  test('of layers below the back ends name no provider and no browser', () => {
    const naming = files
      .filter((file) => NEUTRAL.test(file) && !file.includes('/generated/'))
      .filter((file) => RUNTIMES.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(naming.sort()).toEqual(Object.keys(NAMES_RUNTIMES).sort());
  });

  test('export no name that another one exports for something else', () => {
    const owners = new Map<string, Set<string>>();
    for (const file of files) {
      // emitted programs are read without lotrc's sources
      if (/\/(?:generated|runtime)\//.test(file) || file in LANGUAGES) continue;
      // the names of node.ts, for browsers
      if (file === 'src/platform/web.ts') continue;
      const text = readFileSync(join(ROOT, file), 'utf8');
      for (const [, name] of text.matchAll(
        /^export (?:abstract |async )*(?:interface|type|class|const|let|function\*?|enum) (\w+)/gm,
      )) {
        owners.set(name!, (owners.get(name!) ?? new Set()).add(file));
      }
    }
    expect(owners.size).toBeGreaterThan(2000);
    const shared = [...owners].filter(([, own]) => own.size > 1);
    const unknown = shared.filter(([name]) => !(name in SHARED_NAMES));
    expect(unknown.map(([name, own]) => `${name}: ${[...own].join(', ')}`)).toEqual([]);
    expect(shared.map(([name]) => name).sort()).toEqual(Object.keys(SHARED_NAMES).sort());
  });

  test('have one idea each: over 500 lines need a reason', () => {
    const long = files
      .filter((file) => !file.includes('/generated/') && !(file in LONG))
      .map((file) => ({ file, lines: readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > 500);
    expect(long).toEqual([]);
  });

  test('are in folders with a README', () => {
    const folders = new Set(
      files.map((file) => dirname(file)).filter((folder) => !folder.endsWith('/generated')),
    );
    const silent = [...folders].filter((folder) => !existsSync(join(ROOT, folder, 'README.md')));
    expect(silent).toEqual([]);
  });

  test('say what is left to do nowhere, and do not switch checks off', () => {
    const marks = new RegExp(
      ['TO' + 'DO', 'FIX' + 'ME', '@ts-' + 'ignore', 'as ' + 'any\\b', 'biome-' + 'ignore'].join('|'),
    );
    const marked = files.filter((file) => marks.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(marked).toEqual([]);
  });
});
