import type { ModuleFacts } from './facts.js';
import type { Statement } from './source.js';
import { list } from './structures.js';

/** What a module needs from a device. */
export const needs = ({ features, limits }: ModuleFacts): Statement[] => [
  list(
    {
      name: 'FEATURES',
      doc: 'Features of WebGPU that the kernels use.',
      exported: false,
      type: 'readonly GPUFeatureName[]',
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
];
