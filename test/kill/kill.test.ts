import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EVERYTHING, WHOLE } from '../support/everything.js';
import { runChain } from './chain.js';
import { type Job, type Measured, makeJobs, measure } from './jobs.js';

/** Chains by job: what goes on with what is there has the most to lose. */
const CHAINS = ['train', 'rewrite', 'build'];
const MORE = [
  'emit onnx-train',
  'merge',
  'apply',
  'rewrite of a large model',
  'train',
  'emit onnx-train',
  'train',
  'build',
  // twenty kills of it before a release
  ...(WHOLE ? Array<string>(5).fill('build') : []),
];
const KILLS = WHOLE ? 3 : 2;

const root = mkdtempSync(join(tmpdir(), 'lotrc-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let jobs: readonly Job[] = [];
const measured = new Map<string, Promise<Measured>>();
beforeAll(async () => {
  jobs = await makeJobs(root);
});

/** A job, measured when it is first used. */
function jobOf(name: string): Promise<Measured> {
  const known = measured.get(name) ?? measure(jobs.find((job) => job.name === name)!, root);
  measured.set(name, known);
  return known;
}

test.each((EVERYTHING ? [...CHAINS, ...MORE] : CHAINS).map((name, index) => [name, index] as const))(
  '%s, killed at random moments, leaves nothing half and hinders nothing (chain %i)',
  async (name, index) => {
    const { kills, faults } = await runChain(await jobOf(name), root, 20, index, KILLS);
    expect(faults).toEqual([]);
    expect(kills).toBeLessThanOrEqual(KILLS);
  },
);
