import type { SavedPlan } from '../src/adapter/saved-plan.js';
import { visible } from '../src/ir/visible.js';
import { countLora, countTrainable } from '../src/passes/sites/counts.js';
import { count, num, table } from './text.js';

/** What `lotrc rewrite --json` says about the adapters. */
export interface PlanReport {
  readonly version: 1;
  readonly method: string;
  readonly layers: number;
  /** trainable parameters of the adapters */
  readonly trainable: number;
  /** those of LoRA on the same layers at the same ranks */
  readonly lora: number;
  readonly groups: readonly GroupReport[];
}

interface GroupReport {
  readonly id: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly scale: number;
  readonly trainable: number;
  readonly lora: number;
  readonly factors: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly module: string; readonly factors: Readonly<Record<string, string>> }[];
}

export function planReport({ plans }: SavedPlan): PlanReport {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const groups = plans.flatMap((row) =>
    row.groups.map((group): GroupReport => {
      const sites = row.sites.filter((site) => site.group === group.id);
      const own = { ...row, groups: [group], sites };
      return {
        id: group.id,
        in: group.in,
        out: group.out,
        rank: group.rank,
        scale: row.spec.scale,
        trainable: countTrainable(own),
        lora: countLora(own),
        factors: group.factors,
        layers: sites.map((site) => ({ module: site.modulePath ?? site.id, factors: site.factors })),
      };
    }),
  );
  return {
    version: 1,
    method: plans[0]?.spec.method ?? '',
    layers: sum(groups.map(({ layers }) => layers.length)),
    trainable: countTrainable(plans),
    lora: sum(groups.map(({ lora }) => lora)),
    groups,
  };
}

/** The report as text: groups, their layers, and the totals. */
export function planText(plan: SavedPlan): string {
  const report = planReport(plan);
  const rows = report.groups.map((group) => [
    group.id,
    `${group.in} x ${group.out}`,
    String(group.rank),
    String(group.scale),
    String(group.layers.length),
    num(group.trainable),
    num(group.lora),
  ]);
  const layers = report.groups.flatMap((group) =>
    group.layers.map(({ module }) => `  ${visible(module)}  (${visible(group.id)})\n`),
  );
  return [
    `${visible(report.method)}: ${count(report.layers, 'layer')} in ${count(report.groups.length, 'group')}\n`,
    ...layers,
    '\n',
    table([['group', 'in x out', 'rank', 'scale', 'layers', 'trainable', 'LoRA'], ...rows]),
    '\n',
    `trainable parameters: ${num(report.trainable)}; LoRA at the same rank: ${num(report.lora)}${ratio(report)}\n`,
  ].join('');
}

function ratio({ trainable, lora }: PlanReport): string {
  return trainable === lora || trainable === 0 ? '' : ` (${(lora / trainable).toFixed(1)} times as many)`;
}
