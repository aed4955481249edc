import { describe, expect, test } from 'vitest';
import { kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import { stepKernel } from '../../../src/backends/kernel/gen/step.js';
import {
  add,
  barrier,
  define,
  f32,
  id,
  type Kernel,
  load,
  loop,
  lt,
  peek,
  poke,
  ref,
  type Stmt,
  store,
  u32,
  uniform,
  type View,
} from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { adamw } from '../../../src/train/optimizers/adamw.js';
import { profile } from '../../support/devices.js';
import { kernelCases } from '../../support/kernel-cases.js';
import { interpret } from '../../support/kernel-sim/interpret.js';

const out: View = { buffer: 'out', offset: u32(0), extents: [u32(4)], strides: [u32(1)] };
const lane = id('local', 0);

function kernel(body: readonly Stmt[], access: 'write' | 'read' = 'write'): Kernel {
  return {
    name: 'k',
    about: [],
    workgroup: [4, 1, 1],
    buffers: [{ name: 'out', elem: 'f32', access }],
    uniforms: [{ name: 'n', type: 'u32' }],
    arrays: [
      { name: 'tile', space: 'workgroup', size: 4 },
      { name: 'acc', space: 'register', size: 2 },
    ],
    body,
  };
}

const rules = (body: readonly Stmt[], access?: 'read') =>
  verifyKernel(kernel(body, access)).map(({ message }) => /rule "([^"]*)"/.exec(message)?.[1]);

/** The same fault when the kernel runs. */
const fault = (body: readonly Stmt[], access?: 'read') => () =>
  interpret(kernel(body, access), {
    buffers: { out: new Float32Array(4) },
    uniforms: { n: 3 },
    grid: [1, 1, 1],
  });

const reversed = { ...out, extents: [uniform('u32', 'n')] };
const wrap = (body: Stmt[]): Stmt => ({ s: 'if', cond: lt(lane, u32(2)), body });

describe('a kernel that is wrong is refused, and fails when it runs', () => {
  test.each<[rule: string, body: readonly Stmt[], message: RegExp, access?: 'read' | undefined]>([
    ['in range', [store(reversed, [lane], f32(1))], /bounds/],
    ['access', [store(out, [lane], f32(1))], /access/, 'read'],
    ['barrier', [wrap([barrier])], /barrier/],
    ['order', [define('v', peek('tile', lane))], /unwritten/],
    ['order', [poke('tile', lane, f32(1)), define('v', peek('tile', u32(0)))], /race|unwritten/],
    [
      'order',
      [poke('tile', lane, f32(1)), barrier, define('v', peek('tile', u32(0))), poke('tile', lane, f32(2))],
      /race/,
    ],
  ])('%s %#', (rule, body, message, access) => {
    expect(rules(body, access)).toEqual([rule]);
    expect(fault(body, access)).toThrow(message);
  });

  test('rules that only the verifier sees', () => {
    expect(rules([store(out, [lane], load(out, [lane]))])).toEqual(['access']);
    expect(rules([loop('i', u32(0), u32(2), u32(1), (i) => [poke('acc', i, f32(1))])])).toEqual([
      'constant index',
    ]);
    expect(rules([{ s: 'assign', name: 'v', value: f32(1) }])).toEqual(['defined']);
    expect(rules([define('v', ref('f32', 'w'))])).toEqual(['defined']);
    expect(rules([define('out', f32(1))])).toEqual(['defined']);
    expect(rules([define('v', uniform('u32', 'm'))])).toEqual(['defined']);
    expect(rules([define('v', peek('tiles', u32(0)))])).toEqual(['defined']);
    expect(rules([store({ ...out, buffer: 'in' }, [lane], f32(1))])).toEqual(['defined']);
    expect(rules([define('v', f32(1)), define('v', f32(2))])).toEqual(['defined']);
    expect(rules([define('v', f32(1)), { s: 'assign', name: 'v', value: f32(2) }])).toEqual(['defined']);
    expect(rules([loop('n', u32(0), u32(2), u32(1), () => [])])).toEqual(['defined']);
    expect(verifyKernel({ ...kernel([]), uniforms: [{ name: '2n', type: 'u32' }] })[0]!.message).toContain(
      '"2n" is not a valid name',
    );
    const late = ref('f32', 'late');
    expect(rules([wrap([define('late', f32(1))]), store(out, [lane], late)])).toEqual(['defined']);
    // a loop that may not run at all leaves its tile unwritten
    const maybe = loop('i', u32(0), uniform('u32', 'n'), u32(1), () => [poke('tile', lane, f32(1)), barrier]);
    expect(rules([maybe, define('v', peek('tile', lane))])).toEqual(['order']);
    const surely = loop('i', u32(0), u32(2), u32(1), () => [poke('tile', lane, f32(1)), barrier]);
    expect(rules([surely, define('v', peek('tile', lane))])).toEqual([]);
  });

  test('indices of arrays stay below their sizes', () => {
    const beyond = add(lane, u32(1));
    expect(rules([poke('tile', beyond, f32(1))])).toEqual(['in range']);
    expect(fault([poke('tile', beyond, f32(1))])).toThrow(/bounds/);
    expect(rules([poke('acc', u32(2), f32(1))])).toEqual(['in range']);
    expect(fault([poke('acc', u32(2), f32(1))])).toThrow(/bounds/);
    expect(rules([store({ ...out, extents: [u32(3)] }, [lane], f32(1), lt(lane, u32(3)))])).toEqual([]);
    expect(rules([store({ ...out, extents: [u32(3)] }, [lane], f32(1), lt(lane, u32(4)))])).toEqual([
      'in range',
    ]);
  });

  test('a barrier in a loop of which invocations take different numbers of turns', () => {
    const turns = loop('i', u32(0), lane, u32(1), () => [barrier]);
    expect(rules([turns])).toEqual(['barrier']);
    expect(fault([turns])).toThrow(/barrier/);
    const alike = loop('i', u32(0), uniform('u32', 'n'), u32(1), () => [barrier]);
    expect(rules([alike])).toEqual([]);
    expect(fault([alike])).not.toThrow();
  });

  test('a name that hides another, of which a condition says something', () => {
    const hidden: Stmt = {
      s: 'if',
      cond: lt(ref('u32', 'i'), u32(4)),
      body: [
        define('i', u32(5)),
        store({ ...out, extents: [uniform('u32', 'n')] }, [ref('u32', 'i')], f32(1)),
      ],
    };
    expect(rules([define('i', lane), hidden])).toEqual(['defined', 'in range']);
    const counter = loop('i', u32(0), u32(2), u32(1), () => []);
    expect(rules([define('i', lane), counter])).toEqual(['defined']);
  });

  test('a condition on a variable that has changed since', () => {
    const at = ref('u32', 'at');
    const grown: Stmt = {
      s: 'if',
      cond: lt(at, u32(4)),
      body: [{ s: 'assign', name: 'at', value: add(at, u32(3)) }, store(out, [at], f32(1))],
    };
    const body: readonly Stmt[] = [{ s: 'var', name: 'at', init: lane }, grown];
    expect(rules(body)).toEqual(['in range']);
    expect(fault(body)).toThrow(/bounds/);
  });

  test('a write by two invocations is a race', () => {
    expect(fault([store(out, [u32(0)], f32(1))])).toThrow(/race/);
  });
});

describe('kernels of every family', () => {
  const kernels = [...kernelCases().map(({ launch }) => kernelOf(launch)), stepKernel(adamw, 'step', 37)];
  test.each(kernels.map((one) => [one.name, one] as const))('%s keeps all rules', (_, one) => {
    expect(verifyKernel(one)).toEqual([]);
  });

  test('that are too large for a device are refused by LOTR6102', () => {
    const small = {
      ...profile('webgpu-laptop', 'webgpu'),
      workgroupBytes: 100,
      invocations: 8,
      storageBuffers: 2,
    };
    const found = verifyKernel(kernels[0]!, small);
    expect(found.map(({ code }) => code)).toEqual(['LOTR6102', 'LOTR6102', 'LOTR6102']);
    expect(found.map(({ message }) => message).join('\n')).toMatch(
      /256 bytes.*\n.*16 invocations.*\n.*5 storage/,
    );
  });

  test('a broken rule is LOTR6104', () => {
    expect(verifyKernel(kernel([wrap([barrier])]))[0]!.code).toBe('LOTR6104');
  });
});
