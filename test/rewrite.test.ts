import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LORA } from '../src/adapter/methods/lora.js';
import { LOTR } from '../src/adapter/methods/lotr.js';
import { parseInit } from '../src/init/index.js';
import { readModel } from '../src/ir/onnx/reader.js';
import { writeModel } from '../src/ir/onnx/writer.js';
import { rewrite } from '../src/rewrite.js';
import { feedsOf, oracles } from './support/oracle.js';
import { maxDifference, runOrt } from './support/ort.js';

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-rewrite-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(oracles().map((oracle) => [oracle.name, oracle] as const))('%s', (name, oracle) => {
  const { groups, logits } = oracle.description;

  test('the patterns choose the sites of the oracle', () => {
    const model = readModel(oracle.path);
    const { plan } = rewrite(model, {
      rank: groups[0]!.rank,
      spec: { ...LOTR, scale: groups[0]!.scale },
      targets: groups.map(({ pattern }) => pattern),
      share: 'target',
    });
    const found = plan.plans[0]!.sites.map((site) => [
      site.modulePath,
      site.uses.map(({ node }) => node).sort(),
    ]);
    const wanted = groups.flatMap((group) =>
      group.sites.map((site) => [site.module, site.nodes.map((node) => node.name).sort()]),
    );
    const byName = (list: unknown[][]) => list.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
    expect(byName(found as unknown[][])).toEqual(byName(wanted as unknown[][]));
    expect(plan.plans[0]!.groups.map((group) => [group.in, group.out]).sort()).toEqual(
      groups.map((group) => [group.in_features, group.out_features]).sort(),
    );
  });

  test.each([
    ['normal', LOTR, 0],
    ['fan-in', LOTR, 0],
    ['svd-factors', LOTR, 0],
    ['fan-in', LORA, 0],
    ['svd', LOTR, 2e-5],
  ] as const)('init %s leaves the logits of the base', async (init, spec, tolerance) => {
    const model = readModel(oracle.path);
    rewrite(model, { rank: 4, spec: parseInit(init, spec), targets: groups.map(({ pattern }) => pattern) });
    const path = join(scratch, `${name}.${init}.${spec.method}.onnx`);
    writeModel(model, path);
    const feeds = feedsOf(oracle);
    const run = (file: string) => runOrt(file, feeds, { level: 'basic' });
    const difference = maxDifference((await run(path))[logits]!, (await run(oracle.path))[logits]!);
    expect(difference).toBeLessThanOrEqual(tolerance);
  });
});
