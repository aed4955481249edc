import type { SubgroupMatrix } from '../../../kernel/device/subgroup-matrices.js';
import { listedMatrix } from '../features.js';
import type { ModuleFacts } from './facts.js';
import type { Statement } from './source.js';
import { field, list, shape } from './structures.js';

/** What a module needs from a device. */
export const needs = ({ features, limits, matrix }: ModuleFacts): Statement[] => [
  list(
    {
      name: 'FEATURES',
      doc: 'Features of WebGPU that the kernels use.',
      exported: false,
      // types of WebGPU do not name what is experimental
      type: matrix ? 'readonly string[]' : 'readonly GPUFeatureName[]',
    },
    features,
  ),
  list(
    {
      name: 'LIMITS',
      doc: 'What the largest kernel needs of the limits of WebGPU, whatever the number of tokens.',
      exported: false,
      type: 'Readonly<Record<string, number>>',
    },
    limits,
  ),
  ...(matrix ? matrices(matrix) : []),
];

const matrices = (matrix: SubgroupMatrix): Statement[] => [
  shape(
    { name: 'MatrixConfig', doc: 'Matrices that subgroups of a device multiply, as an adapter lists them.' },
    [
      field('componentType', 'string'),
      field('resultComponentType', 'string'),
      field('M', 'number'),
      field('N', 'number'),
      field('K', 'number'),
    ],
  ),
  list(
    {
      name: 'MATRIX',
      doc: 'What the kernels multiply in subgroups, of which size, and whether they ask for that size.',
      exported: false,
      type: 'MatrixConfig & { readonly subgroupSize: number; readonly asksForSize: boolean }',
    },
    listedMatrix(matrix),
  ),
];
