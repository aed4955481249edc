import type { ValuesOf } from '../../src/options/define.js';
import type { TO_PARQUET } from '../../src/options/sets/models.js';
import { refuseUsage } from '../../src/options/usage.js';
import { readLogs } from '../../src/train/logs/find.js';
import { parquetOutput } from '../../src/train/logs/parquet.js';
import { filesText, outputFile, refuseInputs, writeNoting } from '../outputs.js';
import type { Run } from '../program.js';
import { STANDARD } from '../standard-streams.js';
import { tell } from '../tell.js';
import { count } from '../text.js';

/** Event files as one Parquet file; damaged parts are left out with a warning. */
export function toParquetCommand(
  paths: readonly string[],
  options: ValuesOf<typeof TO_PARQUET>,
  run: Run,
): void {
  const { names, tags, layout, index, categories, json } = options;
  if (options.output === STANDARD) refuseUsage('a Parquet file is not written to stdout: -o names a file');
  const output = outputFile(options.output, 'logs.parquet');
  const { logs, files, diagnostics } = readLogs(paths, {
    ...(names ? { names } : {}),
    ...(tags ? { wanted: (tag) => tags.test(tag) } : {}),
  });
  refuseInputs([output], files, options.clobber);
  const [written] = writeNoting([
    parquetOutput(output, logs, { layout, categories, ...(index ? { index } : {}) }),
  ]);
  run.reporter.report(diagnostics);
  const rows = logs.reduce((sum, log) => sum + log.rows.length, 0);
  const { bytes } = written!;
  if (json) {
    const report = { version: 1, runs: logs.length, files, rows, output, bytes };
    run.io.out(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  tell(run, `${count(files.length, 'event file')}, ${count(logs.length, 'run')}, ${count(rows, 'row')}\n`);
  tell(run, filesText([written!]));
}
