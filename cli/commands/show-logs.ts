import type { ValuesOf } from '../../src/options/define.js';
import type { SHOW_LOGS } from '../../src/options/sets/models.js';
import { type FoundLog, readLogs } from '../../src/train/logs/find.js';
import { short } from '../../src/train/logs/ticks.js';
import type { Run } from '../program.js';
import { count, table } from '../text.js';

/** What a run came to. */
interface RunRow {
  readonly folder: string;
  /** settings in which the runs differ; of a single run all */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly step: number;
  /** the last value of each: `eval/loss`; JSON has null where it is not finite */
  readonly values: Readonly<Record<string, number>>;
}

/** Lists the runs of event files. */
export function showLogsCommand(
  paths: readonly string[],
  { names, json }: ValuesOf<typeof SHOW_LOGS>,
  run: Run,
): void {
  const { logs, diagnostics } = readLogs(paths, names ? { names } : {});
  run.reporter.report(diagnostics);
  const shown = differing(logs);
  const rows = logs.map((log) => rowOfLog(log, shown));
  if (json) {
    run.io.out(`${JSON.stringify({ version: 1, runs: rows }, null, 2)}\n`);
    return;
  }
  const settings = logs.length > 1 ? [...new Set(rows.flatMap((row) => Object.keys(row.settings)))] : [];
  // values of one class are many; `--json` has them
  const values = [...new Set(rows.flatMap((row) => Object.keys(row.values)))].filter(
    (name) => name === 'train/loss' || /^(?!train\/)[^/]*\/[^/]*$/.test(name),
  );
  const body = rows.map((row) => [
    row.folder,
    ...settings.map((name) => String(row.settings[name] ?? '')),
    String(row.step),
    ...values.map((name) => (row.values[name] === undefined ? '' : short(row.values[name]))),
  ]);
  run.io.out(`${table([['run', ...settings, 'step', ...values], ...body])}${count(rows.length, 'run')}\n`);
}

/** Names of settings that have more than one value. */
function differing(logs: readonly FoundLog[]): ReadonlySet<string> {
  const all = new Set(logs.flatMap(({ settings }) => [...settings.keys()]));
  const several = [...all].filter(
    (name) => logs.length === 1 || new Set(logs.map(({ settings }) => settings.get(name))).size > 1,
  );
  return new Set(several);
}

function rowOfLog({ folder, settings, rows }: FoundLog, shown: ReadonlySet<string>): RunRow {
  const values: Record<string, number> = {};
  for (const row of rows)
    for (const [name, value] of row.values) values[row.split === '' ? name : `${row.split}/${name}`] = value;
  return {
    folder,
    settings: Object.fromEntries([...settings].filter(([name]) => shown.has(name))),
    step: rows.at(-1)?.step ?? 0,
    values,
  };
}
