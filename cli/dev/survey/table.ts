import { type Cell, COLUMNS, type SurveyColumn, type SurveyRow } from './row.js';

export interface Surveyed {
  /** relative to where the survey was told to look */
  readonly file: string;
  readonly row: SurveyRow;
}

/** Lengths at which cells and examples are cut. */
const CELL = 110;
const EXAMPLE = 220;

/** The survey as Markdown: a summary, what was refused and why, and the table itself. */
export function report(files: readonly Surveyed[]): string {
  return [surveySummary(files), refusals(files), surveyTable(files)].join('\n\n');
}

/** One row per file. */
export function surveyTable(files: readonly Surveyed[]): string {
  const rows = files.map(({ file, row }) => [
    file,
    ...COLUMNS.map((column) => (row[column] ? cut(textOf(row[column]), CELL) : '-')),
  ]);
  return markdown(['file', ...COLUMNS], rows);
}

/** Answers by column. */
export function surveySummary(files: readonly Surveyed[]): string {
  const rows = COLUMNS.map((column) => {
    const cells = files.flatMap(({ row }) => row[column] ?? []);
    const count = (kind: Cell['kind']): string => String(cells.filter((cell) => cell.kind === kind).length);
    return [column, String(cells.length), count('yes'), count('refused'), count('fault')];
  });
  return `${files.length} files, ${faults(files)} with a fault.\n\n${markdown(['column', 'asked', 'yes', 'refused', 'fault'], rows)}`;
}

/** Refusals by column, code and reason (names and numbers apart), the most frequent first, with one example each. */
export function refusals(files: readonly Surveyed[]): string {
  const found = new Map<
    string,
    { column: SurveyColumn; code: string; count: number; file: string; cell: Cell }
  >();
  for (const { file, row } of files) {
    for (const column of COLUMNS) {
      const cell = row[column];
      if (cell?.kind !== 'refused') continue;
      const code = cell.code ?? '';
      const key = `${column} ${code} ${cell.text.replace(/"[^"]*"|\([^)]*\)|\d+/g, '')}`;
      const entry = found.get(key);
      if (entry) entry.count++;
      else found.set(key, { column, code, count: 1, file, cell });
    }
  }
  const order = (column: SurveyColumn): number => COLUMNS.indexOf(column);
  const rows = [...found.values()]
    .sort((a, b) => order(a.column) - order(b.column) || b.count - a.count || (a.code < b.code ? -1 : 1))
    .map(({ column, code, count, file, cell }) => [
      column,
      code,
      String(count),
      file,
      cut(cell.text, EXAMPLE),
      cell.hint ?? '',
    ]);
  return markdown(['column', 'code', 'files', 'for example', 'reason', 'hint'], rows);
}

/** Number of files with a cell that shows a bug in lotrc. */
export function faults(files: readonly Surveyed[]): number {
  return files.filter(({ row }) => COLUMNS.some((column) => row[column]?.kind === 'fault')).length;
}

function textOf({ kind, code, text }: Cell): string {
  if (kind === 'fault') return `FAULT: ${text}`;
  return code === undefined ? text : `${code}: ${text}`;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

function escaped(cell: string): string {
  return cell.replace(/\s+/g, ' ').replaceAll('|', '\\|');
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}
