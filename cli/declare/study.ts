import type { Command } from 'commander';
import { BENCH } from '../../src/backends/ort/option-set.js';
import { SWEEP, TABLE } from '../../src/options/sets/study.js';
import { modelAt } from '../find-model.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** sweep and table: studies of many runs; bench: what adapters cost. */
export function declareStudyCommands(program: Command, run: Run): void {
  const sweep = program
    .command('sweep')
    .description('train a grid of methods, ranks, rates and seeds: one process and one record for each run')
    .argument('<grid>', 'a JSON file: the model, options of all runs, values that are tried');
  addOptions(sweep, SWEEP)
    .addHelpText('after', SWEEP_HELP)
    .action(async (grid: string) => {
      const { sweepCommand } = await import('../commands/sweep.js');
      await sweepCommand(grid, valuesOf(sweep, SWEEP), run);
    });

  const table = program
    .command('table')
    .description('sum up the runs of a study: mean, standard deviation, number and best of a metric')
    .argument('<study>', 'the folder of a study');
  addOptions(table, TABLE)
    .addHelpText('after', TABLE_HELP)
    .action(async (study: string) => {
      const { tableCommand } = await import('../commands/table.js');
      tableCommand(study, valuesOf(table, TABLE), run);
    });

  const bench = program
    .command('bench')
    .description('time a model in ONNX Runtime without an adapter, with one in each form, and merged')
    .argument('<model>', 'an ONNX model', modelAt);
  addOptions(bench, BENCH)
    .addHelpText('after', BENCH_HELP)
    .action(async (model: string) => {
      const { benchCommand } = await import('../commands/bench.js');
      await benchCommand(model, valuesOf(bench, BENCH), run);
    });
}

const BENCH_HELP = `
Examples:
  lotrc bench model.onnx --target query --target value
  lotrc bench model.onnx --ranks 8..128 --seq 32,128,512 --batch 16,128 --methods lotr,lora -o bench.html

Every number is the median over processes of their own, which open one model each and take turns. "base again" is the base once more: smaller
differences than its say nothing. Adapters get their usual factors, whose values do not matter for the time.`;

const SWEEP_HELP = `
Examples:
  lotrc sweep grid.json --jobs 2 -o study/
  lotrc sweep grid.json --jobs 2 -o study/ --resume

grid.json: { "version": 1, "model": "model.onnx", "options": { "data": "train.csv", "evalData": "test.csv", "epochs": 1 },
  "grid": { "method": ["lotr", "lora"], "rank": [2, 4], "seed": [0, 1, 2] } }
Each run is \`lotrc tune\` with these options, with one thread where "threads" is not given. Ctrl-C ends the study, --resume goes on; the
rows are those of a study that was never stopped. docs/experiments.md says more.`;

const TABLE_HELP = `
Examples:
  lotrc table study/ --by method,rank --metric accuracy
  lotrc table study/ --by method,size --metric mcc -o table.csv`;
