import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readStudy, textOutput } from '../../cli/study/study.js';
import { readGrid, runsOf, type StudyRun } from '../../src/build/study/grid.js';
import { type StudySection, studyPage } from '../../src/build/study/page.js';
import { type RowValue, type RunRecord, rowOf } from '../../src/build/study/record.js';
import { type SummaryRow, summaryOf } from '../../src/build/study/summary.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { MAPS, QUALITY, TASKS } from './names.js';
import { peftResultOf } from './results.js';
import { tablesOf } from './tables.js';

/**
 * `report.js FOLDER`: of the studies in FOLDER, results/GRID.jsonl, a line for each run in the form of PEFT's method comparison, and
 * report.html and tables.markdown. What is not there yet is left out.
 */
const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('report.js FOLDER');
const started = (name: string): boolean => {
  const runs = join(folder, name, 'runs');
  return existsSync(runs) && readdirSync(runs).some((file) => file.endsWith('.json'));
};
const sections = [
  ...TASKS.filter(started).flatMap((name) => metricsOfTask(name).map((metric) => taskSection(name, metric))),
  ...MAPS.filter(started).map(mapSection),
];
writeAtomically([
  textOutput(
    join(folder, 'report.html'),
    studyPage(
      'Methods at equal size',
      'Means over three seeds, of the parameters after the last step; a line reaches one standard deviation up and down.',
      sections,
    ),
  ),
  textOutput(join(folder, 'tables.markdown'), tablesOf(sections)),
]);
for (const name of [...TASKS, ...MAPS].filter(started)) {
  const runs = new Map(gridOf(name).map((run): [string, StudyRun] => [run.id, run]));
  const lines = readStudy(join(folder, name)).flatMap((record) => {
    const run = runs.get(record.id);
    return run === undefined ? [] : [`${JSON.stringify(peftResultOf(name, run, record))}\n`];
  });
  writeAtomically([textOutput(join(folder, 'results', `${name}.jsonl`), lines.join(''))]);
  console.log(`${name}: ${lines.length} of ${runs.size} runs`);
}

function gridOf(name: string): readonly StudyRun[] {
  return runsOf(readGrid(join(QUALITY, `${name}.json`)));
}

/** What a method is called; of LoTR with its cores trained alone too. */
function labelOf({ varied }: RunRecord): string {
  const method = String(varied.method).replace(/\.json$/, '');
  return varied.train === undefined ? method : `${method}, core alone`;
}

/** Each method at each size, with the learning rate that is best for it. */
function taskSection(name: string, metric: string): StudySection {
  const records = readStudy(join(folder!, name));
  const better = metric === 'last_loss' ? 'smaller' : 'larger';
  const rows = records.map((record) => {
    const row = new Map<string, RowValue>(rowOf(record));
    // a run that failed has no size; those of the same rank have one
    const size = records.find(
      (other) =>
        other.parameters !== undefined &&
        labelOf(other) === labelOf(record) &&
        other.varied.rank === record.varied.rank,
    )?.parameters;
    return row.set('method', labelOf(record)).set('size', size ?? null);
  });
  const all = summaryOf(rows, ['method', 'size', 'lr'], metric, better);
  const best = new Map<string, SummaryRow>();
  for (const row of all) {
    const key = JSON.stringify([row.group.get('method'), row.group.get('size')]);
    const known = best.get(key);
    if (known === undefined || isBetter(row.mean, known.mean, better)) best.set(key, row);
  }
  return {
    title: name,
    note: `The head alone and all weights are lines across: their sizes are in the table. Each method at each size with the best of the learning rates that were tried (column lr). ${records.length} runs.`,
    metric,
    by: ['method', 'size'],
    also: ['lr'],
    rows: [...best.values()],
    level: ({ group }) => ['full', 'head'].includes(String(group.get('method'))),
  };
}

function isBetter(a: number | null, b: number | null, better: 'larger' | 'smaller'): boolean {
  if (a === null || b === null) return b === null && a !== null;
  return better === 'larger' ? a > b : a < b;
}

function mapSection(name: string): StudySection {
  const records = readStudy(join(folder!, name));
  const by = name.split('-');
  const metric = 'last_accuracy';
  return {
    title: `LoTR on era, ${by.join(' and ')}`,
    metric,
    by,
    rows: summaryOf(records.map(rowOf), by, metric, 'larger'),
  };
}

/** Sentences that are told apart are few; the loss tells more than their share. */
function metricsOfTask(name: string): readonly string[] {
  return name === 'moby' ? ['last_loss'] : ['last_accuracy', 'last_loss'];
}
