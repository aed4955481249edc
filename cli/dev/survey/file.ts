import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { SurveyColumn, SurveyRow, Told } from './row.js';
import { type Limits, supervise } from './supervise.js';

const LIMITS: Limits = { seconds: 120, bytes: 3 * 2 ** 30 };

/** Surveys one file in a process of its own. Where that crashes, hangs or takes too much, the column it was at is a fault. */
export async function surveyFile(path: string, limits: Limits = LIMITS): Promise<SurveyRow> {
  const { stdout, stderr, trouble } = await supervise(program(), [path], limits);
  const row: SurveyRow = {};
  let at: SurveyColumn = 'loads';
  for (const line of stdout.split('\n')) {
    // a process that was ended may leave half a line
    if (!line.endsWith('}')) continue;
    const told = JSON.parse(line) as Told;
    at = told.column;
    if ('cell' in told) row[told.column] = told.cell;
  }
  if (trouble !== null) {
    const last = stderr.trim().split('\n').at(-1) ?? '';
    row[at] = { kind: 'fault', text: `${trouble} ${last}`.trim() };
  }
  return row;
}

/** The compiled program: next to this file in the build; tests run from the sources and use the build's. */
function program(): string {
  const sibling = join(import.meta.dirname, 'one.js');
  if (existsSync(sibling)) return sibling;
  const root = resolve(import.meta.dirname, '../../..');
  return join(root, 'dist', relative(root, import.meta.dirname), 'one.js');
}
