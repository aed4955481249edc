import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { benchPage } from '../../cli/bench/page.js';
import { nodeTimes, ratioByNodes } from '../../cli/bench/profile.js';
import { type BenchRow, headlines, rowsCsv } from '../../cli/bench/rows.js';
import { inTurns } from '../../cli/bench/turns.js';
import { BENCH } from '../../src/backends/ort/option-set.js';
import { lotrc } from '../support/cli.js';
import { EVERYTHING } from '../support/everything.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-bench-test-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const model = join(import.meta.dirname, '../../models/sentiment/sentiment.onnx');

test('columns take turns, and a ratio is of neighbouring runs', () => {
  const order: string[] = [];
  const column = (who: string, times: number[], peak_mb?: number) => ({
    who,
    measure: () => {
      order.push(who);
      return { step_s: times.shift()!, ...(peak_mb === undefined ? {} : { peak_mb }) };
    },
  });
  const [first, second] = inTurns([column('a', [1, 2, 4], 50), column('b', [2, 2, 12])], 3);
  expect(order.join('')).toBe('ababab');
  expect(first).toMatchObject({ median: 2, ratio: 1, peak: 50, peakRatio: 1 });
  expect(second).toEqual({
    ...{ who: 'b', median: 2, least: 2, most: 12, ratio: 2, leastRatio: 1, mostRatio: 3, peak: null },
    peakRatio: null,
  });
});

test('by nodes, a slower machine changes nothing, and what is not in both models counts in full', () => {
  const profile = (speed: number, nodes: Readonly<Record<string, number>>) =>
    nodeTimes(
      JSON.stringify([
        { name: 'model_run', dur: 1e9 },
        ...[7, speed, speed, speed].flatMap((factor) => [
          ...Object.entries(nodes).map(([name, dur]) => ({ name: `${name}_kernel_time`, dur: dur * factor })),
          ...Object.keys(nodes).map((name) => ({ name: `${name}_fence_before`, dur: 5 })),
        ]),
      ]),
    );
  const base = profile(1, { a: 60, b: 30, whole: 10 });
  expect([...base.values()]).toEqual([60e-6, 30e-6, 10e-6]);
  expect(ratioByNodes(base, profile(3, { a: 60, b: 30, part: 8, lora: 4 }))).toBeCloseTo(1.02, 12);
  expect(ratioByNodes(base, base)).toBe(1);
  expect(ratioByNodes(base, profile(1, { other: 1 }))).toBeNull();
});

const row = (method: string, rank: number, form: string, batch: number, ratio: number): BenchRow => ({
  ...{ method, rank, form, batch, seq: 16, ratio, leastRatio: ratio - 0.01, mostRatio: ratio + 0.01 },
  byNodes: rank === 8 ? 1 + ratio / 100 : null,
  ...{ median: 0.5, least: 0.4, most: 0.6, peak: 99, peakRatio: 1, bytes: 1000 },
});
const ROWS = [1, 4].flatMap((batch) =>
  [2, 8].flatMap((rank) => [
    row('base', 0, '', batch, 1),
    row('base again', 0, '', batch, 1 + rank / 1000),
    row('lotr', rank, 'fold', batch, 1.2 * batch),
    row('lotr', rank, 'token', batch, 1.1 * batch),
    row('merged', rank, 'merged', batch, 1.05),
  ]),
);

test('headlines say the least form at the largest inputs, with that of the base of the same turns', () => {
  expect(headlines(ROWS)).toEqual([
    'lotr of rank 2, not merged, as token, the least of its forms: +340.0 % (+339.0 % to +341.0 %) over the base, at batch 4 and length 16; the base again: +0.2 % (-0.8 % to +1.2 %)',
    'lotr of rank 8, not merged, as token, the least of its forms: +4.4 % over the base by the times of nodes, +340.0 % (+339.0 % to +341.0 %) by those of whole runs, at batch 4 and length 16; the base again: +0.8 % (-0.2 % to +1.8 %)',
  ]);
  expect(rowsCsv(ROWS).split('\n')[3]).toBe('lotr,2,fold,1,16,0.5,0.4,0.6,1.2,1.19,1.21,,99,1000');
  expect(rowsCsv(ROWS).split('\n')[8]).toBe('lotr,8,fold,1,16,0.5,0.4,0.6,1.2,1.19,1.21,1.012,99,1000');
  const html = benchPage(ROWS);
  expect(html.match(/<svg/g)).toHaveLength(2);
  expect(html.match(/<li class="s\d dots">/g)).toHaveLength(8);
});

test.each([
  ['8..128', [8, 16, 32, 64, 128]],
  ['3..3,5,2..4', [3, 5, 2, 4]],
  ['8..100', '8..64 or 8..128'],
  ['8..4', '8..16 or 8..32'],
  ['1..2..4', 'such as'],
  ['8..', 'a whole number of at least 1, not ""'],
  ['0..8', 'at least 1'],
] as const)('ranks %s', (text, found) => {
  const read = () => BENCH.ranks.type.read(text, undefined);
  if (typeof found === 'string') expect(read).toThrow(found);
  else expect(read()).toEqual(found);
});

test.skipIf(!EVERYTHING)('a model is timed in every form', { timeout: 300_000 }, async () => {
  const output = join(root, 'rows.json');
  const words = [
    '--target',
    'q_proj',
    '--ranks',
    '3',
    '--batch',
    '2',
    '--seq',
    '5',
    '--repeat',
    '1',
    '--runs',
    '1',
  ];
  const { code, err, out } = await lotrc('bench', model, ...words, '--threads', '1', '-o', output);
  expect(code, err).toBe(0);
  expect(out).toContain('lotr of rank 3, not merged, as ');
  const { rows } = JSON.parse(readFileSync(output, 'utf8')) as { rows: BenchRow[] };
  expect(rows.map(({ method, form, batch, seq }) => [method, form, batch, seq])).toEqual(
    [
      ['base', ''],
      ['base again', ''],
      ['lotr', 'fold'],
      ['lotr', 'token'],
      ['lotr', 'functions'],
      ['merged', 'merged'],
    ].map((names) => [...names, 2, 5]),
  );
  for (const { median, bytes, peak, byNodes, form } of rows) {
    if (form === '' || form === 'merged') expect(byNodes).toBe(1);
    else expect(byNodes).not.toBeNull();
    expect(median).toBeGreaterThan(0);
    expect(bytes).toBeGreaterThan(1e6);
    expect(peak).toBeGreaterThan(10);
  }
});

test.each([
  [['--dim', 'batch=1', '--batch', '2'], /--batch: dimension 0 of the inputs/],
  [['-o', 'rows.txt'], /\.json, \.csv or \.html/],
])('%j is refused', async (words, why) => {
  const { code, err } = await lotrc('bench', model, ...words);
  expect(code).toBe(2);
  expect(err).toMatch(why);
});
