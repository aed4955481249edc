import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { effectiveScale, shapeOfFactor } from '../../../src/adapter/description.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import type { DeviceProfile } from '../../../src/backends/kernel/model/types.js';
import { compiled, cppFlags, hasCompiler } from '../../support/compilers.js';
import { profile } from '../../support/devices.js';
import { allOrFirst } from '../../support/everything.js';
import { layerModel, operators } from '../../support/ort-calls.js';
import { operatorFiles, withFaults } from '../../support/ort-op.js';

/** The calls that the emulated device takes: one at a time, under a lock that ThreadSanitizer does not see. */
const ALONE = [
  ...['Malloc', 'MallocAsync', 'Free', 'FreeAsync', 'MemsetAsync', 'MemcpyAsync', 'StreamSynchronize'],
  ...['LaunchKernelEx', 'FuncSetAttribute', 'GetDevice', 'SetDevice'],
].map((name) => `cuda${name}`);
const DEVICE = `#include <sched.h>
extern "C" void AnnotateIgnoreReadsBegin(const char *, int);
extern "C" void AnnotateIgnoreReadsEnd(const char *, int);
extern "C" void AnnotateIgnoreWritesBegin(const char *, int);
extern "C" void AnnotateIgnoreWritesEnd(const char *, int);
// kernels are not looked at: they run one after another
#undef __global__
#undef __device__
#define __global__ __attribute__((no_sanitize("thread")))
#define __device__ __attribute__((no_sanitize("thread")))
static int taken;
__attribute__((no_sanitize("thread"))) static void take() {
  while (__atomic_exchange_n(&taken, 1, __ATOMIC_ACQUIRE)) sched_yield();
}
__attribute__((no_sanitize("thread"))) static void give() { __atomic_store_n(&taken, 0, __ATOMIC_RELEASE); }
template <class Act>
static auto alone(const Act &act) {
  take();
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  const auto result = act();
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  give();
  return result;
}
${[...ALONE, 'cublasLtMatmul'].map((name) => `#define ${name}(...) alone([&] { return ${name}(__VA_ARGS__); })`).join('\n')}
`;

/** A lock before this text that is not taken. */
const unlocked = (name: string, mutex: string, next = ''): readonly [string, string] => [
  `const std::lock_guard<std::mutex> ${name}(${mutex});${next}`,
  `std::unique_lock<std::mutex> ${name}(${mutex}, std::defer_lock); if (!FAULT) ${name}.lock();${next}`,
];
const MAPS = unlocked('turn', 'maps.turn');
const DOMAIN = unlocked('locked', 'turn', '\n  if (!domain)');
const QUEUE = unlocked('locked', 'turn', '\n  auto found = known.find(device);');
const PRODUCT = unlocked('locked', 'turn', '\n  Blas &blas');

const SHAPE = { spec: LOTR, rank: 5, inn: 72, out: 104, rows: [5] };
/** A device whose kernels are so slow that cuBLASLt multiplies any number of rows. */
const SLOW: DeviceProfile = {
  ...profile('b200', 'cuda'),
  flops: { f32: 1e6, tf32: 1e6, f16: 1e6, bf16: 1e6 },
};
const CASES = [
  ['cuBLASLt', ['sm_100'], SLOW, [DOMAIN, QUEUE, PRODUCT]],
  ['kernels for warpgroups', ['sm_90a', 'sm_80'], undefined, [MAPS]],
] as const;

describe.skipIf(!hasCompiler('g++') || process.platform !== 'linux')('operators in several threads', () => {
  test.each(allOrFirst(CASES))(
    '%s: the numbers are those of one thread, nothing is raced for, and a lock that is not taken is found',
    { timeout: 300_000 },
    (_, architectures, device, faults) => {
      const library = withFaults(
        operators(layerModel(SHAPE), 300, null, 'f16', architectures, device),
        faults,
      );
      const { files, sources } = operatorFiles(library);
      const { spec, rank, inn, out } = SHAPE;
      const extents = spec.factors.map(
        (__, k) => `{${shapeOfFactor(spec, k, { in: inn, out, rank }).join(', ')}}`,
      );
      const text = [
        '#include <cuda_runtime.h>',
        '#include <cublasLt.h>',
        DEVICE,
        ...sources.map((path) => `#include "${path}"`),
        `static const char LAYER[] = "LoTRLinear_half_nobias", GRADIENT[] = "LoTRLinearGrad_half_dx";`,
        `static const int64_t IN = ${inn}, OUT = ${out};`,
        `static const float SCALE = ${effectiveScale(spec, rank)};`,
        `#define FACTORS {${extents.join(', ')}}`,
        readFileSync(join(import.meta.dirname, '../../support/ort-threads-host.cpp'), 'utf8'),
      ].join('\n');
      const flags = [
        ...cppFlags(false),
        '-fsanitize=thread',
        '-I',
        '.',
        '-DLOTRC_ORT_CPU',
        '-DLOTRC_SM90A',
        '-pthread',
      ];
      const { path } = compiled('g++', [...files, { path: 'main.cpp', text }], [...flags, 'main.cpp']);
      const run = (fault: number) => {
        const env = { ...process.env, FAULT: String(fault), TSAN_OPTIONS: 'halt_on_error=1:exitcode=66' };
        return spawnSync(path, { encoding: 'utf8', env });
      };
      const right = run(-1);
      expect(right.stderr).toBe('');
      expect(right.stdout).toBe('0 of 6 results differ\n');
      for (const fault of faults.keys()) {
        const { status, stderr } = run(fault);
        expect(stderr, `fault ${fault}`).toContain('ThreadSanitizer: data race');
        expect(status).toBe(66);
      }
    },
  );
});
