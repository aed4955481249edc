import type { ElementwiseDef } from '../../../../train/optimizers/define.js';
import { stepNames } from '../../../kernel/gen/step.js';
import { momentsText, stateAbout } from '../../shared/optimizer.js';
import type { KernelRow, ModuleFacts } from './facts.js';
import { keyText, literal, type TableValue, template } from './literal.js';
import type { Statement } from './source.js';
import { alias, comment, constant, field, list, shape } from './structures.js';

/** The kernels of a module, with what is needed to bind and launch each: the last and longest part. */
export const kernels = ({
  sources,
  kernels: rows,
  steps,
  optimizer,
  training,
  slices,
  description,
}: ModuleFacts): Statement[] => [
  alias(
    { name: 'GridExtent', doc: 'Workgroups along one axis: a fixed number, or one for every `per` tokens.' },
    'number | { readonly per: number }',
  ),
  shape({ name: 'Binding', parameter: 'Name extends string', doc: 'A buffer at a binding.' }, [
    field('buffer', 'Name'),
    field('type', "'read-only-storage' | 'storage'"),
    field('offset?', 'number', 'bytes of the buffer before what the kernel is given; absent: 0'),
    ...(slices ? [field('size?', 'number', 'bytes that the kernel is given; absent: all that follow')] : []),
  ]),
  shape(
    {
      name: 'Kernel',
      parameter: 'Name extends string = BufferName',
      doc: 'A kernel with the entry point main. All its bindings are in group 0.',
    },
    [
      field('workgroup', 'readonly [x: number, y: number, z: number]', 'invocations of a workgroup'),
      field('grid', 'readonly [x: GridExtent, y: GridExtent, z: GridExtent]', 'workgroups of a launch'),
      field('bindings', 'readonly Binding<Name>[]', 'buffers at the bindings from 0 on'),
      field(
        'uniformBytes',
        'number',
        'bytes of the struct of uniforms at the binding after the buffers; 0: there is none',
      ),
      field('code', 'string', 'WGSL'),
    ],
  ),
  constant(
    {
      name: 'SOURCES',
      doc: 'WGSL of the kernels. Launches that differ only in their buffers and places in them share one, with the name of the first.',
      exported: false,
    },
    `{\n${sources.map(({ name, code }) => `${keyText(name)}: ${template(code)},`).join('\n')}\n}`,
  ),
  constant(
    { name: 'KERNELS', doc: 'All kernels, by the names of their launches.' },
    `{\n${rows.map((row) => entry(row)).join('\n')}\n} satisfies Record<string, Kernel>`,
  ),
  alias({ name: 'KernelName', doc: 'Name of a launch.' }, 'keyof typeof KERNELS'),
  constant(
    { name: 'KERNEL_NAMES', doc: 'Names of all launches, in the order of KERNELS.', exported: false },
    'Object.keys(KERNELS) as KernelName[]',
  ),
  ...(training
    ? [
        alias(
          {
            name: 'StepBuffer',
            doc: `What the kernel of a step binds: ${boundText(optimizer)}.`,
          },
          ['parameter', 'gradient', ...stepNames(optimizer).slots.values()]
            .map((name) => literal(name))
            .join(' | '),
        ),
        shape({ name: 'Step', doc: 'The optimizer step of the factors in one buffer.' }, [
          field('factor', 'BufferName'),
          field('gradient', 'BufferName'),
          field('kernel', 'Kernel<StepBuffer>'),
        ]),
        constant(
          { name: 'STEPS', doc: 'One step for each buffer of factors.', type: 'readonly Step[]' },
          `[\n${steps
            .map(
              ({ factor, gradient, kernel }) =>
                `{\nfactor: ${literal(factor)},\ngradient: ${literal(gradient)},\nkernel: ${rowText(kernel)},\n},`,
            )
            .join('\n')}\n]`,
        ),
        list(
          {
            name: 'SLOTS',
            doc: 'What a step keeps of each factor: what its kernel calls it, and the name of it in a state.',
            exported: false,
            type: 'readonly (readonly [buffer: StepBuffer, name: string])[]',
          },
          [...stepNames(optimizer).slots].map(([slot, buffer]) => [buffer, slot]),
        ),
        list(
          {
            name: 'STATE_OF',
            doc: 'What a state is of: another one is refused.',
            exported: false,
            type: 'readonly (readonly [name: string, value: string])[]',
          },
          stateAbout(optimizer, description),
        ),
      ]
    : []),
];

/** A factor and what belongs to it. */
function boundText(optimizer: ElementwiseDef): string {
  const moments = momentsText(optimizer);
  return moments === null ? 'a factor and its gradient' : `a factor, its gradient and ${moments}`;
}

const entry = (row: KernelRow): string => `${comment(row.does, 2)}\n${keyText(row.name)}: ${rowText(row)},`;

function rowText({ workgroup, grid, bindings, uniformBytes, source }: KernelRow): string {
  const value = (name: string, held: TableValue) => `${name}: ${literal(held)},`;
  return [
    '{',
    value('workgroup', workgroup),
    value('grid', grid as TableValue),
    'bindings: [',
    ...bindings.map((binding) => `${literal({ ...binding })},`),
    '],',
    value('uniformBytes', uniformBytes),
    `code: SOURCES.${source},`,
    '}',
  ].join('\n');
}
