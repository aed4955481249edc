import { descriptionSchema } from '../../../src/adapter/description-schema.js';
import { configSchema } from '../../../src/build/config-schema.js';
import { gridJsonSchema } from '../../../src/build/study/grid.js';
import { flagOf, type OptionDef, type OptionSet, schemaOf } from '../../../src/options/define.js';
import type { JsonSchema } from '../../../src/options/schema.js';
import { COMMON } from '../../../src/options/sets/models.js';
import { printValue } from '../../../src/passes/option-text.js';
import { ALL_PASSES } from '../../../src/passes/registry.js';
import { READING } from '../../../src/train/option-set.js';
import { setsByCommand } from '../../declare/sets.js';
import { markdownTable } from './markdown.js';

/** Commands whose options for reading data have a table of their own. */
const READERS: ReadonlySet<string> = new Set(['tune', 'train', 'eval']);

/** A table of options for each command, by its name in docs/options.md. */
export function optionTables(): Readonly<Record<string, () => string>> {
  const sets: [string, OptionSet][] = [...setsByCommand()].map(([command, set]) => {
    const rows = Object.entries(set).filter(
      ([key, def]) => !READERS.has(command) || (READING as OptionSet)[key] !== def,
    );
    return [command.replaceAll(' ', '-'), Object.fromEntries(rows)];
  });
  const all: [string, OptionSet][] = [...sets, ['reading', READING], ['common', COMMON]];
  return Object.fromEntries(all.map(([name, set]) => [`options-${name}`, () => tableOf(set)]));
}

/** A table of the options of all passes. */
export const passTable = (): string =>
  markdownTable(
    ['pass', 'option', 'value', 'default', 'what it is'],
    ALL_PASSES.flatMap(({ passName, options }) =>
      Object.entries(options).map(([name, { type, doc, default: usual }]) => [
        `\`${passName}\``,
        `\`${name}\``,
        plain(type.wanted),
        usual === undefined ? '' : `\`${printValue(type, usual)}\``,
        plain(doc),
      ]),
    ),
  );

function tableOf(set: OptionSet): string {
  return markdownTable(
    ['option', 'key', 'value', 'default', 'what it is'],
    Object.entries(set).map(([key, def]) => [
      `\`${optionText(key, def)}\``,
      `\`${key}\``,
      def.type.placeholder === null ? '' : plain(def.type.wanted),
      def.required ? 'must be given' : def.default === undefined ? '' : `\`${JSON.stringify(def.default)}\``,
      `${plain(def.doc)}${def.since === undefined ? '' : ` (since ${def.since})`}`,
    ]),
  );
}

function optionText(key: string, def: OptionDef): string {
  const placeholder = def.type.placeholder === null ? '' : ` <${def.placeholder ?? def.type.placeholder}>`;
  return `${def.short === undefined ? '' : `-${def.short}, `}--${flagOf(key, def)}${placeholder}`;
}

/** Text that Markdown does not take for HTML. */
const plain = (text: string): string => text.replace(/<(?=[a-z])/g, '\\<');

/** The dialect of all schemas here. */
const $schema = 'https://json-schema.org/draft/2020-12/schema';

/** docs/config.schema.json: a config of `lotrc build`, for editors. */
export function configSchemaText(): string {
  return `${JSON.stringify({ $schema, title: 'config of lotrc build', ...configSchema() }, null, 2)}\n`;
}

/** docs/grid.schema.json: a grid of `lotrc sweep`, for editors. */
export function gridSchemaText(): string {
  return `${JSON.stringify({ $schema, title: 'grid of lotrc sweep', ...gridJsonSchema() }, null, 2)}\n`;
}

/** docs/method.schema.json: the description of an adapter method. */
export function methodSchemaText(): string {
  return `${JSON.stringify({ $schema, title: 'adapter method of lotrc', ...descriptionSchema() }, null, 2)}\n`;
}

/** docs/options.schema.json: an object that has, by command, the options by key. */
export function optionSchema(): string {
  const properties: Record<string, JsonSchema> = {};
  for (const [command, set] of setsByCommand()) properties[command] = schemaOf({ ...set, ...COMMON });
  const schema = {
    $schema,
    title: 'options of lotrc, by command',
    type: 'object',
    properties,
    additionalProperties: false,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
