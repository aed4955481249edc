import type { Command } from 'commander';
import type { ToParquetOptions } from '../commands/logs.js';
import type { Run } from '../program.js';
import { usageError } from '../usage.js';
import { word } from '../values.js';

/** logs: the logs of training runs. */
export function declareLogsCommands(program: Command, run: Run): void {
  const logs = program.command('logs').description('work with the logs of training runs');
  logs
    .command('to-parquet')
    .description('convert TensorBoard event files to one Parquet file')
    .argument('<path...>', 'event files, or folders to search for them')
    .requiredOption('-o, --output <file>', 'the Parquet file')
    .option(
      '--names <list>',
      'folders between a given folder and an event file become these columns, from the outside in: model,method,task',
      names,
    )
    .option('--tags <regex>', 'only values whose tag matches, such as ^eval/', pattern)
    .option(
      '--layout <form>',
      'wide: a row per step, a column per value; long: a row per value, with its tag',
      word('--layout', ['wide', 'long']),
      'wide',
    )
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Examples:
  lotrc logs to-parquet train/logs -o run.parquet
  lotrc logs to-parquet log/glue -o glue.parquet --names model,method,task,lr,rank,seed
  lotrc logs to-parquet events.out.tfevents.1 -o eval.parquet --tags '^eval/' --layout long`,
    )
    .action(async (paths: readonly string[], options: ToParquetOptions) => {
      const { toParquetCommand } = await import('../commands/logs.js');
      toParquetCommand(paths, options, run);
    });
}

/** Distinct names, separated by commas. */
function names(text: string): readonly string[] {
  const list = text.split(',').map((name) => name.trim());
  if (list.includes(''))
    throw usageError(`--names takes names separated by commas, not ${JSON.stringify(text)}`);
  const twice = list.find((name, index) => list.indexOf(name) !== index);
  if (twice !== undefined) throw usageError(`--names has ${JSON.stringify(twice)} twice`);
  return list;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch (error) {
    throw usageError(`--tags takes a regular expression: ${(error as Error).message}`);
  }
}
