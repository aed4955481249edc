import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import { launchesOf } from '../../src/backends/host/shared/tables.js';
import type { DeviceProfile } from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { illegal } from '../../src/backends/kernel/plan/schedule.js';
import { TESTED } from '../support/back-ends.js';
import { lotrcWith } from '../support/cli.js';
import { contraction } from '../support/host-layers.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-'));
const file = join(folder, 'layers.onnx');
beforeAll(async () => {
  const base = join(folder, 'base.onnxtxt');
  writeFileSync(
    base,
    `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 3] x) => (float[batch, 2] y)
< float[3,2] "proj.weight" = {-0.125, -1.875, -0.875, 0.5, -0.625, -1.75} >
{ ["/proj/MatMul"] y = MatMul (x, "proj.weight") }
`,
  );
  expect((await lotrc('rewrite', base, '--rank', '1', '--target', 'proj', '-o', file)).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

const planFor = (device: DeviceProfile) =>
  choose(contraction(LOTR), { device, tokens: 37, purpose: 'train', dtype: 'f32' });
const options = ({ target }: DeviceProfile) => ({
  architectures: [target],
  halfSums: false,
  optimizer: 'adamw' as const,
});

/** Runs a command line of a program with these back ends. */
const lotrc = (...argv: readonly string[]) => lotrcWith(TESTED, argv);

test('back ends and their devices have names of their own', () => {
  const names = TESTED.flatMap(({ name, devices }) => [name, ...devices.map((device) => device.name)]);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(TESTED.map((backEnd) => [backEnd.name, backEnd] as const))('%s', (name, backEnd) => {
  const [device] = backEnd.devices as [DeviceProfile];

  test('has tiles for its devices that they can run', () => {
    for (const own of backEnd.devices) {
      expect(own.tiles.length).toBeGreaterThan(0);
      for (const { target, schedule, family, dtype } of own.tiles) {
        expect(target).toBe(own.target);
        expect(illegal(schedule, own, { family, dtype, rows: 1, cols: 1, inner: 1, vectors: true })).toEqual(
          [],
        );
      }
    }
  });

  test('LOTR6009: takes plans for its own devices alone', () => {
    expect(backEnd.check(planFor(device), options(device))).toEqual([]);
    for (const other of TESTED.filter((candidate) => candidate !== backEnd)) {
      const [problem] = backEnd.check(planFor(other.devices[0]!), options(device));
      expect(problem).toMatchObject({ code: 'LOTR6009' });
      expect(problem!.message).toBe(`${name} writes no kernels for ${other.devices[0]!.name}`);
    }
  });

  test('lowers a plan to the same launches', async () => {
    const plan = planFor(device);
    const { plan: lowered } = await backEnd.emit(plan, options(device));
    const launches = (of: typeof plan) => launchesOf(of).map((launch) => launch.name);
    expect(launches(lowered)).toEqual(launches(plan));
  });

  test('writes each file once, the same each time, and does not change the plan', async () => {
    const plan = planFor(device);
    const before = structuredClone(plan);
    const emission = await backEnd.emit(plan, options(device));
    const files = await emission.files();
    expect(plan).toEqual(before);
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length);
    expect(await emission.files()).toEqual(files);
    const again = await backEnd.emit(plan, options(device));
    expect(again.beside?.()).toBe(emission.beside?.());
    expect(await again.files()).toEqual(files);
  });

  test('is a command with help, a plan and files', async () => {
    const help = await lotrc('emit', name, '--help');
    expect(help.code).toBe(0);
    expect(help.out.replace(/\s+/g, ' ')).toContain(backEnd.about);
    for (const own of backEnd.devices) expect(help.out).toContain(own.name);
    const explained = await lotrc('emit', name, file, '--explain');
    expect(explained.out).toContain(` on ${device.name}\n`);
    const out = join(folder, name);
    expect(await lotrc('emit', name, file, '-o', out)).toMatchObject({ code: 0, err: '' });
    expect(readdirSync(out)).toContain('plan.txt');
    expect(readFileSync(join(out, 'plan.txt'), 'utf8')).toBe(explained.out);
  });
});
