import type { ConfigFormat } from '../../options/words.js';
import { listText, outputsOf, type Proposal, type ProposedOption, proposedValues } from './proposal.js';

/** A model of a config that is written, with what is proposed for it. Paths are relative to the folder of the config. */
export interface ProposedModel {
  readonly name: string;
  readonly input: string;
  readonly proposal: Proposal;
  readonly data: string | null;
  readonly tokenizer: string | null;
}

/** The text of a config. TypeScript and JavaScript have comments that say why; JSON has none. */
export function configText(models: readonly ProposedModel[], format: ConfigFormat): string {
  if (format === 'json') return jsonText(models);
  return [
    "import { defineConfig } from 'lotrc/config';\n\n",
    'export default defineConfig({\n  models: {\n',
    ...models.map(modelText),
    '  },\n});\n',
  ].join('');
}

/** Options of `lotrc train` for what was found, and whether that is all it needs. */
export function trainSection({ proposal, data, tokenizer }: ProposedModel): {
  readonly settings: readonly ProposedOption[];
  readonly whole: boolean;
} {
  const { train, purpose } = proposal;
  const needsTokenizer = purpose.text && purpose.kind !== 'span';
  const file = needsTokenizer ? 'data.jsonl' : 'data.safetensors';
  const settings = [
    { key: 'data', value: data ?? file, why: [] },
    ...(needsTokenizer ? [{ key: 'tokenizer', value: tokenizer ?? 'tokenizer.json', why: [] }] : []),
    ...(train ?? []),
  ];
  return { settings, whole: train !== null && data !== null && (tokenizer !== null || !needsTokenizer) };
}

function modelText(model: ProposedModel): string {
  const { name, input, proposal } = model;
  const { purpose, rewrite, training } = proposal;
  const { settings, whole } = trainSection(model);
  const lines = [
    `// ${input}: the model ${purpose.about}.`,
    `${keyText(name)}: {`,
    `  input: ${valueText(input)},`,
    ...sectionLines('rewrite', rewrite),
    ...(training === null
      ? ['  // No training is proposed: docs/training.md says what can be trained.']
      : [
          ...sectionLines('training', training),
          ...(whole ? sectionLines('train', settings) : offLines(settings)),
        ]),
    `  outputs: ${listText(outputsOf(proposal, whole))},`,
    '},',
  ];
  return lines.map((line) => `    ${line}\n`).join('');
}

function sectionLines(name: string, settings: readonly ProposedOption[]): readonly string[] {
  const rows = settings.flatMap(({ key, value, why }) => [
    ...why.map((line) => `    // ${line}`),
    `    ${key}: ${valueText(value)},`,
  ]);
  return [`  ${name}: {`, ...rows, '  },'];
}

/** What to write once there is data. */
function offLines(settings: readonly ProposedOption[]): readonly string[] {
  return [
    "  // To train, name your data here, and add 'merged' to the outputs for a model with the trained adapters folded in.",
    `  // train: { ${settings.map(({ key, value }) => `${key}: ${valueText(value)}`).join(', ')} },`,
  ];
}

/** A value as JavaScript, with single quotes. */
function valueText(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const rows = Object.entries(value).map(([key, one]) => `${keyText(key)}: ${valueText(one)}`);
    return `{ ${rows.join(', ')} }`;
  }
  return String(value);
}

const quoted = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

const keyText = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key));

function jsonText(models: readonly ProposedModel[]): string {
  const rows = models.map((model) => {
    const { name, input, proposal } = model;
    const { settings, whole } = trainSection(model);
    const section = {
      input,
      rewrite: proposedValues(proposal.rewrite),
      ...(proposal.training === null ? {} : { training: proposedValues(proposal.training) }),
      ...(whole ? { train: proposedValues(settings) } : {}),
      outputs: outputsOf(proposal, whole),
    };
    return [name, section] as const;
  });
  const $schema = './node_modules/lotrc/docs/config.schema.json';
  return `${JSON.stringify({ $schema, models: Object.fromEntries(rows) }, null, 2)}\n`;
}
