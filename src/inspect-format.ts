import { LOTR } from './adapter/methods/lotr.js';
import type { InspectReport, InspectSite } from './inspect.js';
import { visible } from './ir/visible.js';
import { countFactors, type GroupExtents } from './passes/sites/counts.js';
import { groupBy } from './passes/sites/group-by.js';

/** The rank at which the totals compare LoTR with LoRA. */
const SAMPLE_RANK = 8;

/** Totals over a report: what could be adapted, and what that would cost at rank 8. */
export interface InspectTotals {
  readonly sites: number;
  readonly adaptable: number;
  /** parameters in all linear layers, each weight once */
  readonly parameters: number;
  /** of LoTR at rank 8 over all adaptable layers that are large enough, one group per shape */
  readonly lotr: number;
  /** of LoRA at rank 8 over the same layers */
  readonly lora: number;
  readonly groups: number;
}

export function inspectTotals({ sites }: InspectReport): InspectTotals {
  const sized = sites.filter(
    (site): site is InspectSite & { in: number; out: number } => site.in !== null && site.out !== null,
  );
  const adaptable = sites.filter((site) => site.adaptable === true);
  const fit = sized.filter((site) => site.adaptable === true && Math.min(site.in, site.out) >= SAMPLE_RANK);
  const groups: GroupExtents[] = [...groupBy(fit, (site) => `${site.in}x${site.out}`).values()].map(
    (members) => ({
      in: members[0]!.in,
      out: members[0]!.out,
      rank: SAMPLE_RANK,
      sites: members.length,
    }),
  );
  return {
    sites: sites.length,
    adaptable: adaptable.length,
    parameters: sized.reduce((sum, site) => sum + site.in * site.out, 0),
    lotr: countFactors(LOTR, groups),
    lora: groups.reduce((sum, group) => sum + (group.in + group.out) * group.rank * group.sites, 0),
    groups: groups.length,
  };
}

/** The report as a table with totals; ends in a line feed. */
export function formatInspect(report: InspectReport): string {
  const rows = report.sites.map((site) => [
    site.module,
    site.op,
    `${site.in ?? '?'} x ${site.out ?? '?'}`,
    site.layout,
    site.dtype,
    String(site.nodes.length),
    site.nameSource,
    site.adaptable === true
      ? 'yes'
      : `no: ${site.adaptable.code} ${site.adaptable.reason.replace(/^cannot adapt "[^"]*": /, '')}`,
  ]);
  const lines = table(
    ['module', 'op', 'in x out', 'layout', 'dtype', 'nodes', 'name from', 'adaptable'],
    rows,
  );
  const totals = inspectTotals(report);
  lines.push(
    '',
    `${count(totals.sites, 'linear layer')}, ${totals.adaptable} adaptable, ${num(totals.parameters)} parameters`,
  );
  if (totals.lotr > 0 && !report.groups) {
    lines.push(
      `at rank ${SAMPLE_RANK} over all adaptable layers: LoTR ${num(totals.lotr)} parameters in ${count(totals.groups, 'group')}, ` +
        `LoRA ${num(totals.lora)} (${(totals.lora / totals.lotr).toFixed(1)} times as many)`,
    );
  }
  if (report.groups) lines.push('', ...groupTable(report));
  if (report.trained) lines.push('', ...report.trained.map((name) => `trained in full: ${visible(name)}`));
  return `${lines.join('\n')}\n`;
}

function groupTable({ groups = [] }: InspectReport): string[] {
  const rows = groups.map(({ id, method, rank, scale, sites, factors }) => [
    id,
    method,
    String(rank),
    String(scale),
    String(sites.length),
    Object.values(factors).join(', '),
  ]);
  return table(['group', 'method', 'rank', 'scale', 'layers', 'shared factors'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const shown = [head, ...rows].map((row) => row.map(visible));
  const widths = head.map((_, column) => shown.reduce((most, row) => Math.max(most, row[column]!.length), 0));
  return shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

const num = (value: number): string => value.toLocaleString('en-US');
const count = (value: number, what: string): string => `${num(value)} ${what}${value === 1 ? '' : 's'}`;
