import type { Command } from 'commander';
import { SHOW_LOGS, TO_PARQUET } from '../../src/options/sets/models.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** logs: the logs of training runs. */
export function declareLogsCommands(program: Command, run: Run): void {
  const logs = program.command('logs').description('work with the logs of training runs');
  const show = logs
    .command('show')
    .description('list runs: where they differ, their last step and last values')
    .argument('<path...>', 'event files, or folders to search for them');
  addOptions(show, SHOW_LOGS)
    .addHelpText(
      'after',
      `
Examples:
  lotrc logs show model.tuned/run
  lotrc logs show log/glue --names model,method,task,lr,rank,seed`,
    )
    .action(async (paths: readonly string[]) => {
      const { showLogsCommand } = await import('../commands/show-logs.js');
      showLogsCommand(paths, valuesOf(show, SHOW_LOGS), run);
    });

  const toParquet = logs
    .command('to-parquet')
    .description('convert TensorBoard event files to one Parquet file')
    .argument('<path...>', 'event files, or folders to search for them');
  addOptions(toParquet, TO_PARQUET)
    .addHelpText(
      'after',
      `
Examples:
  lotrc logs to-parquet train/logs -o run.parquet
  lotrc logs to-parquet log/glue -o glue.parquet --names model,method,task,lr,rank,seed --index model,method,task,lr,rank,seed,step --categories
  lotrc logs to-parquet events.out.tfevents.1 -o eval.parquet --tags '^eval/' --layout long`,
    )
    .action(async (paths: readonly string[]) => {
      const { toParquetCommand } = await import('../commands/logs.js');
      toParquetCommand(paths, valuesOf(toParquet, TO_PARQUET), run);
    });
}
