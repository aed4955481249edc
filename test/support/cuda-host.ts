import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { compiled, cppFlags, runProgram, SHIM } from './compilers.js';
import { allOrFirst, EVERYTHING } from './everything.js';

/** How a program in C++ calls a library with memory of its own. */
const CALLER = join(import.meta.dirname, 'cuda-caller.h');

/** One call of the C interface. `set`, `write`: a name and its numbers; `read`, `get`: a name, how many, and a name for them. */
export type CudaCall =
  | readonly [kind: 'set' | 'write', name: string, data: ArrayLike<number>]
  /** bytes */
  | readonly [kind: 'set_packed', name: string, data: ArrayLike<number>]
  | readonly [kind: 'set_adapter', name: string, data: ArrayLike<number>, adapter: number]
  | readonly [kind: 'begin_adapter', adapter: number, rank: number, scale: number, group?: string]
  | readonly [kind: 'set_rows', of: readonly number[]]
  /** the same as a kernel of the caller does it */
  | readonly [kind: 'write_rows', of: readonly number[]]
  | readonly [kind: 'read' | 'get', name: string, count: number, as: string]
  | readonly [kind: 'forward' | 'backward', region: number]
  /** in memory of the caller: what is in x, and the names and lengths of what every y has afterwards */
  | readonly [kind: 'forward_at', region: number, rows: number, x: ArrayLike<number>, ys: readonly Named[]]
  /** the same of every dy, and of dx, to which the region adds if there is something to add to */
  | readonly [
      kind: 'backward_at',
      region: number,
      rows: number,
      dys: readonly ArrayLike<number>[],
      dx: Named,
      before?: ArrayLike<number>,
    ]
  /** a weight in memory of the caller */
  | readonly [kind: 'bind', name: string, data: ArrayLike<number>]
  /** the same calls with memory at odd addresses */
  | readonly [kind: 'unaligned', yes: boolean]
  /** and where results lie over what they are made of */
  | readonly [kind: 'over', yes: boolean]
  /** calls after it are captured; those after `captured` are not, and `replay` runs what was */
  | readonly [kind: 'capture', graph: number]
  | readonly [kind: 'captured' | 'replay']
  | readonly [kind: 'gradients' | 'clear_gradients' | 'begin_inputs' | 'changed' | 'merge' | 'unmerge']
  | readonly [kind: 'step', optimizer: string, numbers: readonly number[]]
  /** the next call of cuBLASLt is refused; those after it are not */
  | readonly [kind: 'refuse', status: string]
  | readonly [kind: 'row', name: string]
  /** keeps the state of the optimizer, and these factors: a name and how many numbers */
  | readonly [kind: 'keep', factors: readonly (readonly [name: string, count: number])[]]
  /** another library in the place of this one, with what was kept */
  | readonly [kind: 'renew']
  /** four bytes are a number */
  | readonly [kind: 'get_state', bytes: number, as: string]
  | readonly [kind: 'set_state', bytes: Uint8Array]
  /** the number of a fault in a library that has several */
  | readonly [kind: 'fault', number: number];

/** What is read: a name for it, and how many numbers. */
type Named = readonly [as: string, count: number];

export interface CudaAnswer {
  /** `status: message` of calls that failed */
  readonly messages: readonly string[];
  readonly reads: Readonly<Record<string, Float32Array>>;
}

/** What a run that goes on in another library takes with it. */
const KEEPING = [
  'static std::vector<char> state;',
  'static std::vector<std::pair<const char *, std::vector<float>>> factors;',
  'static void keep(std::vector<std::pair<const char *, std::vector<float>>> of) {',
  '  size_t bytes = 0;',
  '  check(lotrc_state_bytes(a, &bytes));',
  '  state.resize(bytes);',
  '  check(lotrc_get_state(a, state.data(), bytes));',
  '  factors = std::move(of);',
  '  for (auto &[name, v] : factors) check(lotrc_get(a, name, v.data(), v.size()));',
  '}',
  'static void renew(uint32_t tokens) {',
  '  lotrc_destroy(a);',
  '  shim_device = shim_home;',
  '  check(lotrc_create(&a, tokens, nullptr));',
  '  shim_device = 0;',
  '  for (const auto &[name, v] : factors) check(lotrc_set(a, name, v.data(), v.size()));',
  '  check(lotrc_set_state(a, state.data(), state.size()));',
  '}',
];

/** One source of each kind: the others have other names and lengths in the same text, and include the same. */
export function ofEachKind(sources: readonly string[]): readonly string[] {
  return [...new Map(sources.map((path) => [path.replace(/_?\d+\.cu$/, ''), path])).values()];
}

/** Sources of a library by what they include: a source with one kernel compiles by itself if it does with those that include the same. */
function withEqualIncludes(
  files: readonly EmittedFile[],
  sources: readonly string[],
): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>();
  for (const path of sources) {
    const { text } = files.find((file) => file.path === path)!;
    const kernel = /^(?:(?:#include.*|\/\/.*|)\n)*extern "C" __global__ [^{]*\{\n(?: .*\n|\n)*\}\n$/.test(
      text,
    );
    const key = kernel ? [...text.matchAll(/^#include.*$/gm)].join('\n') : path;
    groups.set(key, [...(groups.get(key) ?? []), path]);
  }
  return [...groups.values()];
}

/**
 * Compiles sources of a library as one with all warnings as errors, calls of cuBLASLt against the stand-in: in CI for all
 * architectures, and `apart` one source of each kind without what it does not include too, as far as PTX, which needs all that it includes
 * in a third of the time; otherwise for the first. Kernels are compiled as they are for users, and optimised, by tests of their own
 * (compileCuda); here they are not, which takes half the time. Throws with what nvcc says.
 */
export function compileLibrary(
  files: readonly EmittedFile[],
  sources: readonly string[],
  archs: readonly [string, ...string[]],
  apart = false,
): void {
  const compile = (some: readonly string[], kind: readonly string[]) => {
    const all = { path: 'all.cu', text: some.map((path) => `#include "${path}"\n`).join('') };
    const flags = [
      '--Ofast-compile=max',
      '-DLOTRC_SM90A',
      '-Werror',
      'all-warnings',
      '-I',
      join(SHIM, 'blas'),
    ];
    compiled('nvcc', [...files, all], [...kind, ...flags, all.path]);
  };
  const virtual = (arch: string) => arch.replace('sm', 'compute');
  const targets = allOrFirst(archs).map((arch) => `-gencode=arch=${virtual(arch)},code=${arch}`);
  compile(sources, ['-c', '-Xcompiler', '-Wall,-Wextra,-Werror', ...targets]);
  if (EVERYTHING && apart)
    for (const some of withEqualIncludes(files, ofEachKind(sources)))
      compile(some, ['-ptx', `-arch=${virtual(archs[0])}`]);
}

/**
 * Runs a library, for CUDA or HIP, on the CPU, its kernels as fibers, under the checks for undefined behaviour where `checked`; `warpgroups`: as on a
 * device that has them. Fails when memory is left over at the end, or kernels for warpgroups were to run and did not.
 */
export function runLibrary(
  files: readonly EmittedFile[],
  tokens: number,
  calls: readonly CudaCall[],
  { warpgroups = false, checked = false }: { readonly warpgroups?: boolean; readonly checked?: boolean } = {},
): CudaAnswer {
  const numbers: Float32Array[] = [];
  const reads: { readonly as: string; readonly count: number }[] = [];
  const body = calls.map((call): string => {
    switch (call[0]) {
      case 'set':
      case 'write': {
        numbers.push(Float32Array.from(call[2]));
        return `{ auto v = load(${call[2].length}); check(lotrc_${call[0]}(a, ${JSON.stringify(call[1])}, v.data(), v.size())); }`;
      }
      case 'set_packed':
        numbers.push(Float32Array.from(call[2]));
        return `{ auto v = load(${call[2].length}); const std::vector<unsigned char> b(v.begin(), v.end()); check(lotrc_set_packed(a, ${JSON.stringify(call[1])}, b.data(), b.size())); }`;
      case 'set_adapter':
        numbers.push(Float32Array.from(call[2]));
        return `{ auto v = load(${call[2].length}); check(lotrc_set_adapter(a, ${call[3]}, ${JSON.stringify(call[1])}, v.data(), v.size())); }`;
      case 'forward_at':
        numbers.push(Float32Array.from(call[3]));
        reads.push(...call[4].map(([as, count]) => ({ as, count })));
        return `forward_at(${call[1]}, ${call[2]});`;
      case 'backward_at': {
        const [, region, rows, dys, [as, count], before] = call;
        numbers.push(...[...dys, ...(before ? [before] : [])].map((data) => Float32Array.from(data)));
        reads.push({ as, count });
        return `backward_at(${region}, ${rows}, ${before !== undefined});`;
      }
      case 'bind':
        numbers.push(Float32Array.from(call[2]));
        return `bind(${JSON.stringify(call[1])}, ${call[2].length});`;
      case 'capture':
        return `shim_graph = ${call[1]}; shim_captured.clear();`;
      case 'captured':
        return 'shim_graph = 0;';
      case 'replay':
        return 'shim_replay();';
      case 'unaligned':
        return `shift = ${call[1] ? 8 : 16};`;
      case 'over':
        return `over = ${call[1]};`;
      case 'begin_adapter': {
        const [, adapter, rank, scale, group] = call;
        const name = group === undefined ? 'nullptr' : JSON.stringify(group);
        return `check(lotrc_begin_adapter(a, ${adapter}, ${name}, ${rank}, float(${scale})));`;
      }
      case 'write_rows':
        return `{ const uint32_t of[] = {${call[1].join(', ')}}; void *to; check(lotrc_buffer(a, "rowAdapter", &to, nullptr, nullptr)); std::memcpy(to, of, sizeof of); }`;
      case 'set_rows':
        return `{ const uint32_t of[] = {${call[1].join(', ')}}; check(lotrc_set_rows(a, of, ${call[1].length})); }`;
      case 'read':
      case 'get':
        reads.push({ as: call[3], count: call[2] });
        return `{ std::vector<float> v(${call[2]}); check(lotrc_${call[0]}(a, ${JSON.stringify(call[1])}, v.data(), v.size())); store(v); }`;
      case 'refuse':
        return `cublas_calls_left = 0; cublas_failure = ${call[1]};`;
      case 'row':
        return `{ size_t width = 0, stride = 0; check(lotrc_row(a, ${JSON.stringify(call[1])}, &width, &stride)); std::printf("%zu of %zu\\n", width, stride); }`;
      case 'keep':
        return `keep({${call[1].map(([name, count]) => `{${JSON.stringify(name)}, std::vector<float>(${count})}`).join(', ')}});`;
      case 'renew':
        return `renew(${tokens});`;
      case 'get_state':
        reads.push({ as: call[2], count: call[1] / 4 });
        return `{ std::vector<float> v(${call[1] / 4}); check(lotrc_get_state(a, v.data(), 4 * v.size())); store(v); }`;
      case 'set_state': {
        const whole = new Uint8Array(4 * Math.ceil(call[1].length / 4));
        whole.set(call[1]);
        numbers.push(new Float32Array(whole.buffer));
        return `{ auto v = load(${whole.length / 4}); check(lotrc_set_state(a, v.data(), ${call[1].length})); }`;
      }
      case 'fault':
        return `FAULT = ${call[1]};`;
      case 'forward':
      case 'backward':
        return `check(lotrc_${call[0]}(a, ${call[1]}));`;
      case 'step':
        return `{ const lotrc_${call[1]} n = {${call[2].map((x) => `float(${x})`).join(', ')}}; check(lotrc_step(a, &n)); }`;
      default:
        return `check(lotrc_${call[0]}(a));`;
    }
  });
  const built = files.filter(
    ({ path }) =>
      /\.(cu|hip)$/.test(path) &&
      (warpgroups || !path.endsWith('_warpgroups.cu')) &&
      // the operators of ONNX Runtime are a library of their own
      !path.startsWith('ort/'),
  );
  const sources = built.map(({ path }) => `#include "${path}"`);
  const library = files.some((file) => file.text.includes('<cublasLt.h>'));
  // every allocation and every call of cuBLASLt fails once: what was made until then is given back
  const failing = [
    ['shim_allocations_left', 'LOTRC_NO_MEMORY', ''],
    ['cublas_calls_left', 'LOTRC_CUBLAS', ': CUBLAS_STATUS_EXECUTION_FAILED'],
  ].flatMap(([left, status, says]) => [
    '  cublas_failure = CUBLAS_STATUS_EXECUTION_FAILED;',
    '  for (long few = 0;; few++) {',
    `    ${left} = few;`,
    `    const lotrc_status status = lotrc_create(&a, ${tokens}, nullptr);`,
    '    if (status == LOTRC_OK) break;',
    `    if (status != ${status} || a || shim_held != 0 || cublas_held != 0) return 6;`,
    `    if (!std::strstr(lotrc_message(nullptr), "${says}")) return 7;`,
    '  }',
    '  lotrc_destroy(a);',
    `  ${left} = -1;`,
  ]);
  // a device with less shared memory than the kernels need
  const small = files.some(({ path, text }) => path === 'adapters.cu' && text.includes('SHARED_BYTES'))
    ? [
        '  shim_shared = 48 << 10;',
        `  if (lotrc_create(&a, ${tokens}, nullptr) != LOTRC_CUDA || a || shim_held != 0) return 9;`,
        '  if (!std::strstr(lotrc_message(nullptr), "and a block of this device has 49152")) return 9;',
        '  shim_shared = 227 << 10;',
      ]
    : [];
  const training = files.some(({ path, text }) => path === 'adapters.h' && text.includes('lotrc_backward'));
  const held = library ? 'shim_held + cublas_held' : 'shim_held';
  const text = [
    '#include <cuda_runtime.h>',
    ...sources,
    'static std::FILE *in, *out;',
    'static lotrc_adapters *a;',
    'static std::vector<float> load(size_t n) {',
    '  std::vector<float> v(n);',
    '  if (std::fread(v.data(), 4, n, in) != n) std::abort();',
    '  return v;',
    '}',
    'static void store(const std::vector<float> &v) { std::fwrite(v.data(), 4, v.size(), out); }',
    'static void check(lotrc_status status) {',
    '  if (status != LOTRC_OK) std::printf("%d: %s\\n", status, lotrc_message(a));',
    ...(library ? ['  cublas_calls_left = -1;'] : []),
    '}',
    ...(calls.some(([kind]) => kind === 'keep') ? KEEPING : []),
    ...(calls.some(([kind]) => kind.endsWith('_at') || kind === 'bind')
      ? [...(training ? [] : ['#define SERVING']), readFileSync(CALLER, 'utf8')]
      : ['static void give_back() {}']),
    'int main(int, char **argv) {',
    '  in = std::fopen(argv[1], "rb");',
    '  out = std::fopen(argv[2], "wb");',
    ...built.flatMap(({ path }) => {
      const kernel = /^kernels\/(\w+)\.hip$/.exec(path)?.[1];
      return kernel ? [`  shim_known(${kernel});`] : [];
    }),
    '  for (long few = 0; few < 3; few++) {',
    '    shim_allocations_left = few;',
    `    if (lotrc_create(&a, ${tokens}, nullptr) != LOTRC_NO_MEMORY || a || shim_held != 0) return 4;`,
    '  }',
    '  shim_allocations_left = -1;',
    ...(library ? failing : []),
    ...small,
    // a device that holds no pairs of blocks runs the other kernels
    ...(warpgroups && files.some(({ path, text }) => path === 'adapters.cu' && text.includes('count_pairs'))
      ? [
          '  shim_clusters = 0;',
          `  if (lotrc_create(&a, ${tokens}, nullptr) != LOTRC_OK || a->warpgroups) return 11;`,
          '  lotrc_destroy(a);',
          '  shim_clusters = 1;',
        ]
      : []),
    // launches that may begin early do
    ...(warpgroups ? ['  shim_later = true;'] : []),
    // on one device, called while another is the current one
    '  shim_device = shim_home = 1;',
    `  check(lotrc_create(&a, ${tokens}, nullptr));`,
    '  shim_device = 0;',
    ...body.map((line) => `  ${line}`),
    '  lotrc_destroy(a);',
    '  if (shim_device != 0) return 8;',
    '  give_back();',
    '  std::fclose(out);',
    `  if ((shim_rings > 0) != ${warpgroups}) return 6;`,
    ...(warpgroups && files.some((file) => file.text.includes('launch_early('))
      ? ['  if (shim_early == 0) return 10;']
      : []),
    `  return ${held} == 0 ? 0 : 5;`,
    '}',
    '',
  ].join('\n');
  const flags = [...cppFlags(checked), ...(warpgroups ? ['-DLOTRC_SM90A'] : []), 'main.cpp'];
  const { path } = compiled('g++', [...files, { path: 'main.cpp', text }], flags);
  const input = Buffer.concat(numbers.map(({ buffer }) => Buffer.from(buffer)));
  const { written, said } = runProgram(path, input);
  let at = 0;
  const found = reads.map(({ as, count }): [string, Float32Array] => {
    const part = new Float32Array(written.buffer, at, count);
    at += part.byteLength;
    return [as, part];
  });
  return { messages: said.split('\n').filter((line) => line !== ''), reads: Object.fromEntries(found) };
}
