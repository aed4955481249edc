import type { Command } from 'commander';
import { flagOf, type OptionSet } from '../../src/options/define.js';
import type { JsonSchema } from '../../src/options/schema.js';

/** A command as shells complete it. */
export interface CompletedCommand {
  /** `rewrite`, or `emit wgsl` */
  readonly path: string;
  readonly about: string;
  /** commands of a group */
  readonly commands: readonly CompletedCommand[];
  readonly options: readonly CompletedOption[];
}

export interface CompletedOption {
  readonly flag: string;
  readonly short: string | null;
  readonly about: string;
  /** what the value is called; null for a switch */
  readonly placeholder: string | null;
  /** the values that it can have; none where it takes others */
  readonly values: readonly string[];
}

/** The commands of a program. `setOf`: the options of a command by its path. */
export function completedCommands(
  group: Command,
  setOf: (path: string) => OptionSet,
  above = '',
): readonly CompletedCommand[] {
  return group.commands.map((command) => {
    const path = `${above}${command.name()}`;
    const commands = completedCommands(command, setOf, `${path} `);
    const about = firstWords(command.description());
    return { path, about, commands, options: commands.length > 0 ? [] : optionsOf(setOf(path)) };
  });
}

function optionsOf(set: OptionSet): readonly CompletedOption[] {
  return Object.entries(set).map(([key, def]) => ({
    flag: `--${flagOf(key, def)}`,
    short: def.short === undefined ? null : `-${def.short}`,
    about: firstWords(def.doc),
    placeholder: def.type.placeholder,
    values: valuesOf(def.type.schema),
  }));
}

const valuesOf = ({ enum: own, items }: JsonSchema): readonly string[] => own ?? items?.enum ?? [];

/** The start of a text that has a place on a line, without what shells would act on. */
function firstWords(text: string): string {
  const [start = ''] = text.split(/[;:(]/);
  const plain = start.replace(/'s\b|[^\w .,/=%+-]/g, '').trim();
  return plain.length <= 72 ? plain : `${plain.slice(0, 69).replace(/ \S*$/, '')} ...`;
}

/** Every command that is none of a group, with its options. */
export const singleCommands = (commands: readonly CompletedCommand[]): readonly CompletedCommand[] =>
  commands.flatMap((one) => (one.commands.length > 0 ? one.commands : [one]));

/** The last word of a path. */
export const lastWord = ({ path }: CompletedCommand): string => path.slice(path.lastIndexOf(' ') + 1);
