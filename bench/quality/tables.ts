import { markdownTable } from '../../cli/dev/docs/markdown.js';
import type { StudySection } from '../../src/build/study/page.js';

/** Sections of the report as Markdown tables: means and standard deviations of the runs that ended. */
export const tablesOf = (sections: readonly StudySection[]): string =>
  sections.map((section) => `### ${section.title}: ${section.metric}\n\n${tableOf(section)}`).join('\n');

function tableOf({ metric, by, also = [], rows }: StudySection): string {
  const columns = [...by, ...also];
  const four = (value: number | null) => (value === null ? '' : value.toFixed(4));
  const body = rows.map(({ group, mean, sd, n, failed }) => [
    ...columns.map((name) => String(group.get(name) ?? '')),
    four(mean),
    four(sd),
    failed === 0 ? `${n}` : `${n} of ${n + failed}`,
  ]);
  return markdownTable([...columns, `${metric}, mean`, 'sd', 'runs'], body);
}
