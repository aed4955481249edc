import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../../src/adapter/description.js';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { placesOf } from '../../../src/backends/host/shared/tables.js';
import type { KernelDtype, KernelPlan } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { hasCompiler } from '../../support/compilers.js';
import { type CudaCall, runLibrary } from '../../support/cuda-host.js';
import { profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';
import { allOrFirst, everySecond } from '../../support/everything.js';
import { contraction, type Layers, LORA_FA, STEPPING } from '../../support/host-layers.js';
import { stateOf, stateTensors, withoutLast } from '../../support/optimizer-state.js';
import { allPlaces, elementsOf, inputsOf, tensorsOf, twoPasses } from '../../support/two-passes.js';

const TOKENS = 5;
const planOf = (spec: AdapterSpec, layers: string[], dtype: KernelDtype = 'f32', size?: Layers) => {
  const found = contraction(spec, layers, size);
  const device = profile('h100', 'cuda');
  return {
    found,
    plan: choose(found, { device, tokens: TOKENS, purpose: 'train', strategy: 'split', dtype }),
  };
};

/** Two layers have their cores in one buffer; in bfloat16 on this device a rank of 3 is stored with room for 8. */
const SIZE: Layers = { in: 24, out: 16, rank: 3 };
const CASES: readonly (readonly [OptimizerKind, AdapterSpec, string[], KernelDtype, Layers | undefined])[] = [
  ['adamw', LOTR, ['q', 'k'], 'bf16', SIZE],
  ['lion', LOTR, ['o'], 'f32', undefined],
  ['sgd', LORA_FA, ['o'], 'f32', undefined],
];

/** What a library could do wrongly, by the number in FAULT: its text, and what stands there then. */
const FAULTS: readonly (readonly [right: string, wrong: string])[] = [
  // the number of steps is not taken
  ['a->steps = steps;', 'a->steps = FAULT == 1 ? 0 : steps;'],
  // moments are not written
  [
    'const cudaError_t error = copy_moments(',
    'const cudaError_t error = FAULT == 2 ? cudaSuccess : copy_moments(',
  ],
  // those of the last factor are not
  [
    'for (const Moment &moment : moments) {\n    const Place &place = *moment.place;',
    'for (const Moment &moment : moments) {\n    if (FAULT == 3 && !out && &moment == &moments.back()) break;\n    const Place &place = *moment.place;',
  ],
  // one moment of a factor is written over the other
  [
    'float *device = moment.memory + place.offset;',
    'float *device = (FAULT == 4 && !out ? moments.front().memory : moment.memory) + place.offset;',
  ],
];
const withFaults = (text: string): string =>
  FAULTS.reduce((all, [right, wrong]) => {
    expect(all.split(right), right).toHaveLength(2);
    return all.replace(right, wrong);
  }, `static int FAULT = 0;\n${text}`);

/** The tensors of a state, which a library gave. */
function numbersIn(state: Uint8Array<ArrayBuffer>, plan: KernelPlan, kind: OptimizerKind) {
  let at = 8 + Number(new DataView(state.buffer).getBigUint64(0, true));
  return new Map(
    stateTensors(plan, kind).map(({ name, rows, cols }) => {
      const begin = at;
      at += 4 * rows * cols;
      return [name, new Float32Array(state.slice(begin, at).buffer)] as const;
    }),
  );
}

/** States that a library for AdamW steps of LoTR adapters refuses, and what it says. */
function refused(plan: KernelPlan, right: Uint8Array<ArrayBuffer>) {
  const zeros = (other: KernelPlan, kind: OptimizerKind = 'adamw') =>
    stateOf(other, kind, 2, ({ rows, cols }) => new Float32Array(rows * cols));
  const differs = 'the state is of another optimizer or adapter: it has';
  const garbage = Uint8Array.from(right);
  garbage[6] = 1;
  return [
    [zeros(plan, 'lion'), `${differs} "lotrc.optimizer":"lion", and this library "lotrc.optimizer":"adamw"`],
    [
      zeros(planOf(LOTR, ['q', 'k'], 'bf16', { ...SIZE, rank: 4 }).plan),
      `${differs} "lotrc.rank":"[[[4]]]", and this library "lotrc.rank":"[[[3]]]"`,
    ],
    [zeros(planOf(LORA, ['q', 'k'], 'bf16', SIZE).plan), `${differs} "lotrc.method":`],
    [zeros(planOf(LOTR, ['q', 'k'], 'bf16', { ...SIZE, in: 32 }).plan), `${differs} "lotr/32x16/`],
    [zeros(withoutLast(plan)), `${differs} nothing more, and this library "lotr/`],
    [right.slice(0, -4), `the state has ${right.length - 4} bytes, not ${right.length}: it is not whole`],
    [right.slice(0, 100), 'this is not a state: its header is not whole'],
    [right.slice(0, 4), 'this is not a state: its header is not whole'],
    [garbage, 'this is not a state: its header is not whole'],
  ] as const;
}

describe.skipIf(!hasCompiler('g++'))('the state of the optimizer in the C library', () => {
  test.each(everySecond(allOrFirst(CASES)))(
    '%s: a run that goes on in another library has the bits of one that was not interrupted',
    { timeout: 300_000 },
    (kind, spec, layers, dtype, size) => {
      const { found, plan } = planOf(spec, layers, dtype, size);
      const tensors = tensorsOf(allPlaces(plan), 5);
      const inputs = inputsOf(plan, TOKENS);
      const { pass, stepped, adapter } = twoPasses(found, plan, tensors, inputs, kind);
      const twice: CudaCall[] = [1, 2].flatMap(() => [
        ...pass,
        ['step', kind, STEPPING[kind]!.numbers] as CudaCall,
      ]);
      const setting: CudaCall[] = [
        ...Object.keys(placesOf(plan.buffers, 'weight')).map(
          (name): CudaCall => ['set', name, tensors[name]!],
        ),
        ...Object.entries(inputs).map(([name, data]): CudaCall => ['write', name, data]),
      ];
      const cold = stateOf(plan, kind, 0, ({ rows, cols }) => new Float32Array(rows * cols));
      const ending = (tag: string): CudaCall[] => [
        ...twice,
        ...stepped.map((name): CudaCall => ['read', name, elementsOf(plan, name, TOKENS), name + tag]),
        ['get_state', cold.length, `state${tag}`],
      ];
      const first = kind === 'adamw';
      const wrong = first ? refused(plan, cold) : [];
      const faults = first ? FAULTS.map((_, n) => n + 1) : [];
      const files = cudaHost(plan, ['sm_80', 'sm_90a'], { optimizer: kind }).map(({ path, text }) => ({
        ...{ path, text: first && path === 'adapters.cu' ? withFaults(text) : text },
      }));
      const answer = runLibrary(files, TOKENS, [
        ...setting,
        ...adapter.map(([name]): CudaCall => ['set', name, tensors[name]!]),
        ['get_state', cold.length, 'state at first'],
        ...twice,
        ['keep', adapter],
        ['get_state', cold.length, 'state kept'],
        ...ending(''),
        ['renew'],
        ...setting,
        ...wrong.map(([state]): CudaCall => ['set_state', state]),
        ...ending(' gone on'),
        ...faults.flatMap((n): CudaCall[] => [['fault', n], ['renew'], ...setting, ...ending(` ${n}`)]),
      ]);
      expect(answer.messages).toHaveLength(wrong.length);
      for (const [n, [, says]] of wrong.entries()) expect(answer.messages[n]).toMatch(`1: ${says}`);
      const bytes = (name: string) => Uint8Array.from(new Uint8Array(answer.reads[name]!.slice().buffer));
      expect(Buffer.compare(bytes('state at first'), cold)).toBe(0);
      // named and laid out as it is described
      const kept = numbersIn(bytes('state kept'), plan, kind);
      expect(
        Buffer.compare(
          bytes('state kept'),
          stateOf(plan, kind, 2, ({ name }) => kept.get(name)!),
        ),
      ).toBe(0);
      for (const [name, numbers] of kept) {
        expect(
          numbers.some((x) => x !== 0),
          name,
        ).toBe(true);
        expect(
          numbers.some((x) => x < 0),
          name,
        ).toBe(!name.endsWith('/v'));
      }
      const same = (names: readonly string[], tag: string) =>
        names.every((name) => Buffer.compare(bytes(name), bytes(name + tag)) === 0);
      expect(same([...stepped, 'state'], ' gone on')).toBe(true);
      for (const n of faults) expect(same(stepped, ` ${n}`), `fault ${n}`).toBe(false);
    },
  );
});
