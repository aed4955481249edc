import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PLAN_KEY, type PlanRow, type SavedPlan } from '../../../src/adapter/saved-plan.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { readPlan } from '../../../src/passes/plan/plan.js';
import { rewrite } from '../../../src/rewrite.js';
import { lotrc } from '../../support/cli.js';

// Plans that someone changed: what is in them twice is refused, by every command in the same words.

const root = mkdtempSync(join(tmpdir(), 'lotrc-repeats-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const BASE = join(import.meta.dirname, '../../data/cases/sites/conv_optional.onnx');

type Edit = (row: PlanRow, plan: SavedPlan) => SavedPlan;
const withRow = (plan: SavedPlan, row: PlanRow): SavedPlan => ({
  version: 1,
  plans: [row, ...plan.plans.slice(1)],
});

const EDITS: readonly (readonly [string, Edit, RegExp])[] = [
  [
    'a layer',
    (row, plan) => withRow(plan, { ...row, sites: [...row.sites, row.sites[0]!] }),
    /site "conv1" is in it twice/,
  ],
  [
    'a layer under another name',
    (row, plan) => withRow(plan, { ...row, sites: [...row.sites, { ...row.sites[0]!, id: 'other' }] }),
    /the layer that delivers ".+" is in it twice/,
  ],
  [
    'a node of a layer',
    (row, plan) => {
      const [site, ...rest] = row.sites;
      return withRow(plan, {
        ...row,
        sites: [{ ...site!, uses: [site!.uses[0]!, site!.uses[0]!] }, ...rest],
      });
    },
    /the layer that delivers ".+" is in it twice/,
  ],
  [
    'a group',
    (row, plan) => withRow(plan, { ...row, groups: [...row.groups, row.groups[0]!] }),
    /group ".+" is in it twice/,
  ],
  ['a plan', (row, plan) => ({ version: 1, plans: [...plan.plans, row] }), /site "conv1" is in it twice/],
];

test.each(EDITS)('%s that is in a plan twice: LOTR3202', async (_what, edit, wanted) => {
  const path = join(root, 'adapted.onnx');
  const model = readModel(BASE);
  rewrite(model, { rank: 2, targets: ['.*'] });
  const plan = readPlan(model)!;
  model.setMetadata(PLAN_KEY, JSON.stringify(edit(plan.plans[0]!, plan)));
  writeModel(model, path);
  for (const words of [
    ['merge', path, '-o', join(root, 'merged.onnx')],
    ['extract', path, '-o', join(root, 'a.safetensors')],
    ['strip', path, '-o', join(root, 'base.onnx')],
    ['emit', 'onnx-train', path, '-o', join(root, 'train')],
    ['emit', 'wgsl', path, '--explain'],
  ]) {
    const { code, err } = await lotrc(...words);
    expect(err, words[0]).toMatch(wanted);
    expect(err).toMatch(/^error LOTR3202: .* twice/);
    expect(code).toBe(1);
  }
});
