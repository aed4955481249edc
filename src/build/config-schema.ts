import { type OptionSet, schemaOf } from '../options/define.js';
import type { JsonSchema } from '../options/schema.js';
import { MODEL_NAME, OUTPUTS, SECTIONS } from './config.js';

/** JSON schema of a config, for editors: docs/config.schema.json. */
export function configSchema(): JsonSchema & { readonly $defs: Readonly<Record<string, JsonSchema>> } {
  const text = (description: string): JsonSchema => ({ type: 'string', description });
  const sections = Object.fromEntries(
    [...SECTIONS.keys()].map((name): [string, JsonSchema] => [name, { $ref: `#/$defs/${name}` }]),
  );
  const outputs: JsonSchema = {
    type: 'array',
    items: { type: 'string', enum: OUTPUTS },
    uniqueItems: true,
    description:
      'what is made: onnx (the rewritten model), adapter (its factors), training (the training directory), merged (the model with its adapters folded in), wgsl and cuda (kernels); default: onnx and adapter',
  };
  return {
    type: 'object',
    properties: {
      $schema: text('this schema'),
      output: text('folder of the outputs; default: dist'),
      golden: text('folder of the golden files of lotrc check; default: golden'),
      defaults: {
        type: 'object',
        description: 'options that all models share',
        properties: { ...sections, outputs },
        additionalProperties: false,
      },
      models: {
        type: 'object',
        description: 'models by the names that their outputs get',
        propertyNames: { pattern: MODEL_NAME.source },
        additionalProperties: {
          type: 'object',
          properties: {
            input: text(
              'the model that is rewritten, .onnx or .onnxtxt, relative to the folder of the config',
            ),
            output: text('folder of the outputs of this model'),
            outputs,
            ...sections,
          },
          required: ['input'],
          additionalProperties: false,
        },
      },
    },
    required: ['models'],
    additionalProperties: false,
    $defs: Object.fromEntries([...SECTIONS].map(([name, set]) => [name, sectionSchema(set)])),
  };
}

/** What must be given may be given by the defaults, so no single section must have it. */
function sectionSchema(set: OptionSet): JsonSchema {
  const { required: _required, ...schema } = schemaOf(set);
  return schema;
}
