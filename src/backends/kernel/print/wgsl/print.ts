import { fail } from '../../../../ir/diagnostics.js';
import { f32Text } from '../../../../ir/text/numbers.js';
import { cannotSpell } from '../../../codes/kernel-ir.js';
import type { ArrayDecl, BufferParam, Kernel, UniformParam } from '../../ir/kir.js';
import { legalise } from '../../ir/legalise.js';
import { usesSubgroups } from '../../ir/subgroups.js';
import { CFamily, type Spelling } from '../c-family.js';
import { matrixAttributes, matrixExtensions, matrixStatement, matrixVariables } from './subgroup-matrices.js';

const AXES = ['x', 'y', 'z'] as const;
/** Names of types that are vectors. */
const VECTORS: Readonly<Record<string, string>> = { f32x4: 'vec4f', f16x4: 'vec4h', u32x4: 'vec4u' };
/** Words that WGSL reserves or that this printer uses; a buffer of such a name gets an underscore. */
const TAKEN = new Set([
  'main',
  'uniforms',
  'local',
  'group',
  'target',
  'filter',
  'loop',
  'switch',
  'array',
  'private',
  'subgroup_id',
]);

/** Name of the binding that holds a buffer in the emitted source. */
const wgslName = (buffer: string): string => (TAKEN.has(buffer) ? `${buffer}_` : buffer);

/**
 * A kernel as a WGSL module with the entry point `main`: buffers at group 0 in the order of `kernel.buffers`, then the
 * uniforms as one struct at the next binding. Throws LOTR6103 for a buffer of bfloat16, which WGSL does not have.
 */
export function printWgsl(kernel: Kernel): string {
  const elems = new Map(kernel.buffers.map(({ name, elem }) => [name, elem]));
  for (const { name, elem } of kernel.buffers) {
    if (elem === 'bf16')
      fail(cannotSpell({ kernel: kernel.name, target: 'WGSL', what: `bfloat16 (${name})` }));
  }
  if ((kernel.fragments && !kernel.matrix) || kernel.ring)
    fail(cannotSpell({ kernel: kernel.name, target: 'WGSL', what: 'matrix units of a warp' }));
  if (kernel.eights)
    fail(cannotSpell({ kernel: kernel.name, target: 'WGSL', what: 'loads of eight numbers' }));
  const printer = new CFamily(spelling(kernel));
  const { body, arrays, workgroup } = legalise(kernel);
  const { matrix } = kernel;
  const ids = [
    '@builtin(local_invocation_id) local: vec3u',
    '@builtin(workgroup_id) group: vec3u',
    ...(matrix ? ['@builtin(subgroup_id) subgroup_id: u32'] : []),
  ];
  const lines = [
    ...kernel.about.map((line) => `// ${line}`),
    ...([...elems.values()].includes('f16') ? ['enable f16;'] : []),
    ...(usesSubgroups(kernel) ? ['enable subgroups;'] : []),
    ...(matrix ? matrixExtensions(matrix) : []),
    '',
    ...kernel.buffers.map(binding),
    ...uniformStruct(kernel.uniforms, kernel.buffers.length),
    '',
    ...arrays.map((array) => `var<workgroup> ${array.name}: array<${elementOf(array)}, ${array.size}>;`),
    ...(arrays.length > 0 ? [''] : []),
    ['@compute', `@workgroup_size(${workgroup.join(', ')})`, ...matrixAttributes(matrix)].join(' '),
    `fn main(${ids.join(', ')}) {`,
    ...matrixVariables(kernel).map((line) => `  ${line}`),
    ...printer.block(body, 1),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

/** The type of the elements of a buffer or an array; of bytes, of four of them. */
function elementOf({ elem = 'f32', vector }: Pick<BufferParam | ArrayDecl, 'elem' | 'vector'>): string {
  if (elem === 'u8') return 'u32';
  return vector ? `vec4<${elem}>` : elem;
}

function binding(param: BufferParam, index: number): string {
  const { name, access } = param;
  // WGSL has no write-only storage
  const mode = access === 'read' ? 'read' : 'read_write';
  return `@group(0) @binding(${index}) var<storage, ${mode}> ${wgslName(name)}: array<${elementOf(param)}>;`;
}

function uniformStruct(uniforms: readonly UniformParam[], at: number): string[] {
  if (uniforms.length === 0) return [];
  return [
    '',
    'struct Uniforms {',
    ...uniforms.map(({ name, type }) => `  ${name}: ${type},`),
    '}',
    `@group(0) @binding(${at}) var<uniform> uniforms: Uniforms;`,
  ];
}

function spelling(kernel: Kernel): Spelling {
  const { buffers, arrays } = kernel;
  const halves = new Map(
    [...buffers, ...arrays].filter(({ elem }) => elem === 'f16').map(({ name, vector }) => [name, vector]),
  );
  // storage has no bytes: words of four
  const bytes = new Set(buffers.filter(({ elem }) => elem === 'u8').map(({ name }) => name));
  const widened = (name: string, element: string) =>
    halves.has(name) ? `${halves.get(name) ? 'vec4f' : 'f32'}(${element})` : element;
  const rounded = (name: string, value: string) =>
    halves.has(name) ? `${halves.get(name) ? 'vec4h' : 'f16'}(${value})` : value;
  return {
    literal: (type, value) => {
      if (type === 'f16x4') return `vec4h(${f32Text(value)})`;
      if (type === 'u32x4') return `vec4u(${value}u)`;
      return type === 'u32' ? `${value}u` : type === 'f32' ? f32Text(value) : value ? 'true' : 'false';
    },
    type: (type) => VECTORS[type] ?? type,
    id: (of, axis) => `${of}.${AXES[axis]}`,
    uniform: (name) => `uniforms.${name}`,
    fma: (a, b, c) => `fma(${a}, ${b}, ${c})`,
    call: (fn, of) => `${fn}(${of})`,
    minMax: (op, _, a, b) => `${op}(${a}, ${b})`,
    // WGSL evaluates both; an index beyond a buffer is clamped there and the element dropped
    select: (cond, whenTrue, whenFalse) => `select(${whenFalse}, ${whenTrue}, ${cond})`,
    read: (buffer, index) =>
      bytes.has(buffer)
        ? `extractBits(${wgslName(buffer)}[(${index}) / 4u], 8u * ((${index}) % 4u), 8u)`
        : widened(buffer, `${wgslName(buffer)}[${index}]`),
    peek: (array, index, type) =>
      type === 'f16x4' ? `${array}[${index}]` : widened(array, `${array}[${index}]`),
    vector: (of) => `vec4f(${of.join(', ')})`,
    turned: (of) => `${of}.yzwx`,
    halves: (of) => `vec4h(${of})`,
    write: (buffer, index, value, next) => {
      if (next !== undefined) absent({ s: 'pair' });
      return `${wgslName(buffer)}[${index}] = ${rounded(buffer, value)};`;
    },
    declare: (kind, _, name, init) => `${kind} ${name} = ${init};`,
    poke: (array, index, value, type) =>
      `${array}[${index}] = ${type === 'f16x4' ? value : rounded(array, value)};`,
    subgroup: (of) => SUBGROUPS[of],
    subgroupAdd: (of) => `subgroupAdd(${of})`,
    unit: (stmt, text) => matrixStatement(stmt, kernel, text),
    group: absent,
    unroll: '',
    counter: 'var',
    each: [],
    barrier: 'workgroupBarrier();',
  };
}

const SUBGROUPS = {
  // counted, not the built-in number: a subgroup may not be full, and its numbers then may not begin at 0
  peer: 'subgroupExclusiveAdd(1u)',
  peers: 'subgroupAdd(1u)',
  number: 'subgroup_id',
} as const;

/** `printWgsl` refuses it earlier. */
function absent({ s }: { readonly s: string }): never {
  throw new Error(`WGSL has no ${s}`);
}
