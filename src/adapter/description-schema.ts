import type { JsonSchema } from '../options/schema.js';
import { EXTENT_WORDS, MODES, SHARES, WRAPS } from './description.js';
import { INIT_NUMBERS, INIT_WORDS } from './description-check.js';

/** JSON schema of a description in a file, for editors: docs/method.schema.json. */
export function descriptionSchema(): JsonSchema {
  const einsum: JsonSchema = {
    type: 'string',
    description:
      'an einsum over the factors, such as ir,ro->io; an axis of the result may be split: ->(ac)(bd)',
  };
  const forms: readonly JsonSchema[] = [
    { type: 'string', enum: INIT_WORDS },
    ...INIT_NUMBERS.map((name): JsonSchema => {
      const over: JsonSchema = {
        type: 'string',
        description: 'the letter of an axis, whose extent divides it',
      };
      const properties = { [name]: { type: 'number' } as const, ...(name === 'constant' ? { over } : {}) };
      return { type: 'object', properties, required: [name], additionalProperties: false };
    }),
    {
      type: 'object',
      properties: { svd: { type: 'string', enum: ['in', 'out', 'core'] }, power: { type: 'number' } },
      required: ['svd'],
      additionalProperties: false,
    },
    {
      type: 'object',
      properties: { qr: { type: 'string', enum: ['in', 'out'] } },
      required: ['qr'],
      additionalProperties: false,
    },
  ];
  const factor: JsonSchema = {
    type: 'object',
    properties: {
      name: { type: 'string' },
      share: { type: 'string', enum: SHARES, default: 'site' },
      mode: { type: 'string', enum: MODES, default: 'trainable' },
      init: { anyOf: forms },
      lrMultiplier: { type: 'number', default: 1 },
      slice: { type: 'boolean', default: false, description: 'layers read leading parts of one instance' },
    },
    required: ['name', 'init'],
    additionalProperties: false,
  };
  const factors: JsonSchema = {
    type: 'array',
    items: factor,
    description: 'one per operand of delta, in order, then the lengths that column-norm reads',
  };
  return {
    type: 'object',
    properties: {
      method: { type: 'string', description: 'a label' },
      delta: einsum,
      scale: { type: 'number', default: 1 },
      scaling: { type: 'string', enum: ['rank', 'sqrt-rank', 'none'], default: 'rank' },
      extents: {
        type: 'object',
        description: 'extents of letters that are not the rank',
        additionalProperties: {
          anyOf: [
            { type: 'integer', minimum: 1 },
            { type: 'string', enum: EXTENT_WORDS },
          ],
        },
      },
      wrap: { type: 'string', enum: WRAPS, default: 'add' },
      detachNorm: { type: 'boolean', default: false, description: 'gradients take the norm as a constant' },
      scaleBias: { type: 'boolean', default: false, description: 'the bias is scaled too' },
      factors,
      tall: {
        type: 'object',
        description: 'for layers with more inputs than outputs',
        properties: { delta: einsum, factors },
        required: ['delta', 'factors'],
        additionalProperties: false,
      },
    },
    required: ['method', 'delta', 'factors'],
    additionalProperties: false,
  };
}
