import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answerOf } from '../../bench/gpu/browser.js';
import { tunedRows } from '../../bench/gpu/jobs.js';
import { pageJob, tuningJobs } from '../../bench/gpu/tune.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import { launchesOf } from '../../src/backends/host/shared/tables.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { parseSchedules, schedulesJson } from '../../src/backends/kernel/plan/schedule-file.js';
import { chromium } from '../support/browser.js';
import { profile } from '../support/devices.js';
import { contraction } from '../support/host-layers.js';

const device = profile('webgpu-laptop', 'webgpu');
const found = contraction(LOTR, ['o']);
const setting = { device, tokens: 41, purpose: 'train', strategy: 'split', dtype: 'f32' } as const;
const plan = choose(found, setting);

test('the fastest schedule that gives the right numbers becomes a row, and the planner takes it', () => {
  const jobs = tuningJobs(plan, 3);
  // the second is the fastest, the third gave other numbers
  const rows = tunedRows(
    device.target,
    jobs,
    jobs.map(({ schedules }) => schedules.map((_, k) => [3e-3, 1e-3, null][k]!)),
  );
  expect(rows.map(({ schedule }) => schedule).sort()).toEqual(
    jobs.map(({ schedules }) => schedules[1]!).sort(),
  );
  const read = parseSchedules(schedulesJson(rows), 'schedules.json', [rows[0]!.target]);
  expect(read).toEqual(rows);
  const tuned = launchesOf(choose(found, { ...setting, schedules: read }));
  const before = launchesOf(plan);
  const products = tuned.filter(({ work }) => work.kind === 'product');
  expect(products.length).toBeGreaterThan(3);
  for (const launch of products) {
    const old = before.find(({ name }) => name === launch.name)!;
    expect(launch.schedule, launch.name).not.toEqual(old.schedule);
  }
});

const browser = chromium();

test.skipIf(!browser)('the page times every candidate in a browser', { timeout: 300_000 }, async () => {
  const jobs = tuningJobs(plan, 2).slice(0, 3);
  const script = readFileSync(join(import.meta.dirname, '../../bench/gpu/tune-page.mjs'), 'utf8');
  const answer = await answerOf({ script, job: pageJob(plan, jobs, 1, 2) }, { browser: browser! });
  const { times } = answer as { readonly times: readonly (readonly (number | null)[])[] };
  expect(times.map((list) => list.length)).toEqual(jobs.map(({ schedules }) => schedules.length));
  // null would say that a candidate computes something else
  for (const time of times.flat()) expect(time).toBeGreaterThan(0);
});
