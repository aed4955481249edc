import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';
import { textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { compiled, cppFlags } from '../support/compilers.js';
import { runtimeLibrary } from '../support/ort-op.js';

// The loops of examples/hosts, each with the tools of its language where the machine has them.

const HOSTS = join(import.meta.dirname, '../../examples/hosts');
const root = mkdtempSync(join(tmpdir(), 'lotrc-hosts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);

const works = (command: string, ...words: readonly string[]): boolean =>
  spawnSync(command, words, { encoding: 'utf8' }).status === 0;

/** Tools that Debian carries: CI installs them. */
function has(language: string, found: boolean): boolean {
  if (!found && process.env.CI === 'true') throw new Error(`CI needs the tools of ${language} (.ci/run)`);
  return found;
}

const python = [process.env.LOTRC_PYTHON, 'python3'].find(
  (name) => name !== undefined && works(name, '-c', 'import numpy, onnxruntime'),
);
/** Folders with headers of ONNX Runtime; LOTRC_ORT_INCLUDE names one. */
const headers = [
  process.env.LOTRC_ORT_INCLUDE,
  '/usr/include/onnxruntime',
  '/usr/local/include/onnxruntime',
].find((folder) => folder !== undefined && existsSync(join(folder, 'onnxruntime_cxx_api.h')));
const cpp =
  headers !== undefined && existsSync('/usr/include/nlohmann/json.hpp') && works('g++', '--version');
const csharp = has('C#', works('mcs', '--version') && works('mono', '--version'));
const rust = has('Rust', works('rustc', '--version') && works('cc', '--version'));
const go = has('Go', works('go', 'version') && works('cc', '--version'));

const missing = [
  ...(python ? [] : ['Python (no python3 with onnxruntime)']),
  ...(cpp
    ? []
    : ['C++ (no g++ with nlohmann-json3-dev and the headers of ONNX Runtime in LOTRC_ORT_INCLUDE)']),
  ...(csharp ? [] : ['C# (no mcs with mono)']),
  ...(rust ? [] : ['Rust (no rustc with cc)']),
  ...(go ? [] : ['Go (no go with cc)']),
];
if (missing.length > 0) console.warn(`hosts that do not run here: ${missing.join('; ')}`);

let train = '';
let model = '';
const kit = at('kit');

/** Ends with code 0; its output. */
const ran = (command: string, ...words: readonly string[]): string => ranIn(root, {}, command, ...words);

function ranIn(
  cwd: string,
  env: Readonly<Record<string, string>>,
  command: string,
  ...words: readonly string[]
): string {
  const { status, stdout, stderr } = spawnSync(command, words, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}

const node = (...words: readonly string[]) => ran(process.execPath, join(HOSTS, 'kit.mjs'), ...words);

beforeAll(async () => {
  ({ train, model } = await textClassifier(at('net')));
  node('make', train, kit);
});

async function conforms(losses: string, adapter: string): Promise<void> {
  writeFileSync(at('losses.txt'), losses);
  expect(losses.trim().split('\n')).toHaveLength(20);
  node('check', kit, at('losses.txt'), adapter);
  expect((await lotrc('apply', model, adapter, '-o', at('applied.onnx'))).code).toBe(0);
}

describe('the kit', () => {
  test('takes what it made itself, and nothing that differs by 2e-6', async () => {
    const losses = readFileSync(join(kit, 'losses.txt'), 'utf8');
    await conforms(losses, join(kit, 'adapter.safetensors'));
    const { tensors, metadata } = readSafetensors(join(kit, 'adapter.safetensors'));
    const [[name, tensor]] = [...tensors] as [
      [string, typeof tensors extends ReadonlyMap<string, infer T> ? T : never],
    ];
    const values = toF32(tensor).slice();
    values[3] = values[3]! + 3e-6 * Math.max(1, ...values.map(Math.abs));
    writeSafetensors(
      at('other.safetensors'),
      new Map([...tensors, [name, f32Tensor(tensor.shape, values)]]),
      metadata,
    );
    writeFileSync(at('losses.txt'), losses);
    const check = [join(HOSTS, 'kit.mjs'), 'check', kit, at('losses.txt')];
    expect(spawnSync(process.execPath, [...check, at('other.safetensors')]).status).toBe(1);
    writeFileSync(at('losses.txt'), losses.trim().split('\n').slice(1).join('\n'));
    expect(spawnSync(process.execPath, [...check, join(kit, 'adapter.safetensors')]).status).toBe(1);
  });

  test.each(['python/train.py', 'cpp/train.cpp', 'csharp/train.cs', 'rust/train.rs', 'go/train.go'])(
    '%s has at most 100 lines',
    (name) => {
      expect(readFileSync(join(HOSTS, name), 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(100);
    },
  );
});

test.skipIf(!python)('Python', async () => {
  const adapter = at('python.safetensors');
  const words = [join(HOSTS, 'python/train.py'), train, join(kit, 'batches.safetensors'), adapter];
  await conforms(ran(python!, ...words), adapter);
});

test.skipIf(!cpp)('C++', async () => {
  const library = runtimeLibrary();
  const source = { path: 'train.cpp', text: readFileSync(join(HOSTS, 'cpp/train.cpp'), 'utf8') };
  const args = [...cppFlags(false).filter((word) => word.startsWith('-std')), '-O0', '-Wall', '-I', headers!];
  const { path } = compiled(
    'g++',
    [source],
    [...args, 'train.cpp', library, `-Wl,-rpath,${dirname(library)}`],
  );
  const adapter = at('cpp.safetensors');
  await conforms(ran(path, train, join(kit, 'batches.safetensors'), adapter), adapter);
});

/** A folder where a linker finds the library under the name that it looks for, and what a program must be told to find it. */
function linked(): { readonly folder: string; readonly runtimePath: string } {
  const library = runtimeLibrary();
  const folder = at('lib');
  mkdirSync(folder, { recursive: true });
  const name = join(folder, 'libonnxruntime.so');
  if (!existsSync(name)) symlinkSync(library, name);
  return { folder, runtimePath: `-Wl,-rpath,${dirname(library)}` };
}

test.skipIf(!csharp)('C#', async () => {
  const { folder } = linked();
  const [program, adapter] = [at('train.exe'), at('csharp.safetensors')];
  const libraries = ['-r:System.Runtime.Serialization', '-r:System.Xml'];
  ran('mcs', '-warnaserror', ...libraries, join(HOSTS, 'csharp/train.cs'), `-out:${program}`);
  const words = [program, train, join(kit, 'batches.safetensors'), adapter];
  await conforms(ranIn(root, { LD_LIBRARY_PATH: folder }, 'mono', ...words), adapter);
});

test.skipIf(!rust)('Rust', async () => {
  const { folder, runtimePath } = linked();
  const [program, adapter] = [at('train-rust'), at('rust.safetensors')];
  const words = ['--edition', '2021', '-D', 'warnings', '-L', folder, '-l', 'onnxruntime'];
  ran('rustc', ...words, '-C', `link-arg=${runtimePath}`, join(HOSTS, 'rust/train.rs'), '-o', program);
  await conforms(ran(program, train, join(kit, 'batches.safetensors'), adapter), adapter);
});

test.skipIf(!go)('Go', async () => {
  const { folder, runtimePath } = linked();
  const [program, adapter] = [at('train-go'), at('go.safetensors')];
  const env = { CGO_ENABLED: '1', CGO_LDFLAGS: `-L${folder} ${runtimePath}` };
  ranIn(join(HOSTS, 'go'), env, 'go', 'build', '-o', program, '.');
  await conforms(ran(program, train, join(kit, 'batches.safetensors'), adapter), adapter);
});
