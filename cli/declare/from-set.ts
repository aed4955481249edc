import { type Command, Option } from 'commander';
import { flagOf, type OptionDef, type OptionSet, type ValuesOf } from '../../src/options/define.js';
import { readOption } from '../../src/options/read.js';

/** Gives a command the options of a set, in their order. Values that are none end it with LOTR8001 and exit code 2. */
export function addOptions(command: Command, set: OptionSet): Command {
  for (const [key, def] of Object.entries(set)) {
    const { type, doc, required } = def;
    const long = `--${flagOf(key, def)}`;
    const placeholder = type.placeholder === null ? '' : ` <${def.placeholder ?? type.placeholder}>`;
    const option = new Option(`${def.short ? `-${def.short}, ` : ''}${long}${placeholder}`, doc);
    if (type.placeholder === null) {
      command.addOption(option);
      // said without text in --help
      if (def.default === false) command.setOptionValueWithSource(option.attributeName(), false, 'default');
      continue;
    }
    if (required) option.makeOptionMandatory();
    if (def.default !== undefined) option.default(def.default);
    // what is given replaces a default, also where values are gathered
    const read = (text: string, before: unknown): unknown =>
      readOption(key, def, text, before === def.default ? undefined : before);
    command.addOption(option.argParser(read));
  }
  return command;
}

/** The values of a set that a command line gives, by key, with the defaults. */
export function valuesOf<S extends OptionSet>(command: Command, set: S): ValuesOf<S> {
  const values = command.opts();
  const rows = Object.entries(set).map(([key, def]) => [key, values[attributeOf(key, def)]] as const);
  return Object.fromEntries(rows.filter(([, value]) => value !== undefined)) as ValuesOf<S>;
}

/** The keys of the options that the command line gives, without those that have their defaults. */
export function givenOf(command: Command, set: OptionSet): ReadonlySet<string> {
  const given = Object.entries(set).filter(
    ([key, def]) => command.getOptionValueSource(attributeOf(key, def)) === 'cli',
  );
  return new Set(given.map(([key]) => key));
}

/** What commander calls the value of an option. */
function attributeOf(key: string, def: OptionDef): string {
  return new Option(`--${flagOf(key, def)}`).attributeName();
}
