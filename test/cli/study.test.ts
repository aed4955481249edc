import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GRID_NAMES, QUALITY } from '../../bench/quality/names.js';
import { gridSchemaText } from '../../cli/dev/docs/options.js';
import { type Grid, readGrid, runsOf, wordsOf } from '../../src/build/study/grid.js';
import { nextRound } from '../../src/build/study/halving.js';
import { studyPage } from '../../src/build/study/page.js';
import type { RunRecord } from '../../src/build/study/record.js';
import { summaryOf } from '../../src/build/study/summary.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { records, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { writeJsonl } from '../support/reading.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-study-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);

const GRID: Grid = {
  version: 1,
  model: 'classifier/model.onnx',
  options: { tokenizer: 'classifier/vocab.json', evalSplit: 0.2, maxSteps: 2 },
  grid: { method: ['lotr', 'lora'], lr: [0.01], seed: [0, 1] },
  tasks: { colours: { data: 'data.jsonl' } },
};
const HALVED = { options: {}, search: { kind: 'halving', from: 2, factor: 2 } };
const write = (name: string, grid: object): string => {
  writeFileSync(at(name), JSON.stringify(grid));
  return at(name);
};

describe('a grid', () => {
  test('makes a run of each combination, in its order, each with a name of its own', () => {
    const runs = runsOf({ ...GRID, tasks: { a: { data: 'a.csv' }, b: { data: 'b.csv' } } });
    expect(runs.map(({ task, varied }) => [task, varied.method, varied.seed])).toEqual(
      ['a', 'b'].flatMap((task) => ['lotr', 'lora'].flatMap((m) => [0, 1].map((s) => [task, m, s]))),
    );
    expect(new Set(runs.map(({ id }) => id)).size).toBe(8);
    expect(wordsOf(runs[1]!.options)).toEqual(
      ['threads=1', 'tokenizer=classifier/vocab.json', 'eval-split=0.2', 'max-steps=2', 'data=a.csv']
        .concat('method=lotr', 'lr=0.01', 'seed=1')
        .map((word) => `--${word}`),
    );
    expect(wordsOf({ bucket: true, pack: false, targets: ['a', 'b'] })).toEqual([
      '--bucket',
      '--target=a',
      '--target=b',
    ]);
  });

  test('of points tries each with every combination of the other options', () => {
    const points = [
      { method: 'lotr', rank: 6 },
      { method: 'lora', rank: 1, train: ['A'] },
    ];
    const grid: Grid = { ...GRID, points, grid: { seed: [0, 1] } };
    expect(readGrid(write('points.json', grid)).points).toEqual(points);
    expect(runsOf(grid).map(({ varied }) => varied)).toEqual(
      points.flatMap((point) => [0, 1].map((seed) => ({ ...point, seed }))),
    );
  });

  test('of which some are drawn has these in its order, the same for a seed', () => {
    const grid = { lr: [1, 2, 3, 4, 5, 6, 7].map((n) => n / 10) };
    const some = (seed: number) =>
      runsOf({ ...GRID, grid, search: { kind: 'random', count: 3, seed } }).map(({ varied }) => varied.lr);
    expect(some(1)).toEqual(some(1));
    expect(some(1)).toEqual([...some(1)].sort());
    expect(new Set([1, 2, 3, 4].map((seed) => some(seed).join())).size).toBeGreaterThan(1);
  });

  test('that is halved keeps the best of each task, with more steps', () => {
    const search = { kind: 'halving', from: 10, factor: 2, metric: 'mcc' } as const;
    const { maxSteps: _, ...options } = GRID.options as { readonly maxSteps: number };
    const first = runsOf({ ...GRID, options, search });
    expect(first.map(({ varied, round }) => [varied.maxSteps, round])).toEqual(Array(4).fill([10, 0]));
    const values = [0.25, null, 0.75, 0.5];
    const found = new Map(
      first.map(({ id, task, varied, round }, i): [string, RunRecord] => [
        id,
        { version: 1, id, task, varied, round, status: 'done', metrics: { mcc: values[i]! } },
      ]),
    );
    const second = nextRound(first, found, search);
    expect(second.map(({ varied, round }) => [varied.method, varied.seed, varied.maxSteps, round])).toEqual([
      ['lora', 0, 20, 1],
      ['lora', 1, 20, 1],
    ]);
    expect(nextRound(second.slice(0, 1), found, search)).toEqual([]);
  });

  test.each([
    ['an option that is none', { grid: { ranks: [2] } }, /grid\.ranks is not an option/],
    ['a value that is none', { grid: { rank: ['two'] } }, /grid\.rank takes a whole number/],
    ['several texts for one value', { options: { labels: ['a', 'b'] } }, /labels takes one text/],
    ['an empty list', { grid: { rank: [] } }, /not empty/],
    ['what a study sets', { options: { output: 'x' } }, /options\.output is what the study sets/],
    ['a search that is none', { search: { kind: 'random' } }, /count/],
    ['an option of points that is none', { points: [{ ranks: 2 }] }, /points\[0\]\.ranks is not an option/],
    ['an option in points and grid', { points: [{ seed: 2 }] }, /points\[0\]\.seed is in grid too/],
    ['steps of a halving in points', { ...HALVED, points: [{ maxSteps: 2 }] }, /maxSteps/],
    ['no model', { model: undefined }, /model/],
    ['steps of a halving', { search: { kind: 'halving', from: 2, factor: 2 } }, /maxSteps/],
  ])('with %s is refused (LOTR8340)', (_, change, why) => {
    const error = (() => {
      try {
        readGrid(write('refused.json', { ...GRID, ...change }));
      } catch (thrown) {
        return thrown;
      }
    })() as LotrcError;
    expect(error).toBeInstanceOf(LotrcError);
    expect(error.diagnostics[0]).toMatchObject({ code: 'LOTR8340' });
    expect(error.diagnostics[0]!.message).toMatch(why);
  });

  test('has the schema that docs/ ships', () => {
    const shipped = readFileSync(join(import.meta.dirname, '../../docs/grid.schema.json'), 'utf8');
    expect(shipped).toBe(gridSchemaText());
  });
});

test('the grids of bench/quality can be run', () => {
  const counts = GRID_NAMES.map((name) => runsOf(readGrid(join(QUALITY, `${name}.json`))).length);
  expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(300);
});

test('a page has a chart of each task, and a table of cells where two columns are numbers', () => {
  const row = (task: string, rank: number, lr: number, mean: number | null) => ({
    group: new Map<string, string | number>([
      ['task', task],
      ['rank', rank],
      ['lr', lr],
    ]),
    ...{ n: 3, mean, sd: 0.01, best: mean, failed: mean === null ? 3 : 0 },
  });
  const rows = ['a', 'b<'].flatMap((task) =>
    [1, 8].flatMap((rank) =>
      [0.001, 0.1].map((lr) => row(task, rank, lr, lr > 0.01 && rank > 1 ? null : rank / 10)),
    ),
  );
  const html = studyPage('T', 'S', [{ title: 'x', metric: 'accuracy', by: ['task', 'rank', 'lr'], rows }]);
  expect(html.match(/<svg/g)).toHaveLength(2);
  expect(html.match(/<td>failed<\/td>/g)).toHaveLength(2);
  expect(html.match(/--v:1"/g)).toHaveLength(2);
  expect(html).toContain('b&lt;: accuracy by lr');
  // a spread of 0.01 above and below each of the three means of a task
  expect(html.match(/class="s\d faint"/g)).toHaveLength(6);
});

test('a table has mean, standard deviation, number and best of each group; what failed is counted', () => {
  const row = (method: string, rank: number, mcc: number | null) =>
    new Map<string, string | number | null>([
      ['method', method],
      ['rank', rank],
      ['mcc', mcc],
    ]);
  const rows = [row('b', 16, 0.5), row('a', 8, 1), row('b', 2, 0.25), row('b', 16, 1), row('b', 16, 1.5)];
  const found = summaryOf([...rows, row('b', 2, null)], ['method', 'rank'], 'mcc', 'larger');
  expect(found.map(({ group, ...numbers }) => [...group.values(), numbers])).toEqual([
    ['a', 8, { n: 1, mean: 1, sd: null, best: 1, failed: 0 }],
    ['b', 2, { n: 1, mean: 0.25, sd: null, best: 0.25, failed: 1 }],
    ['b', 16, { n: 3, mean: 1, sd: 0.5, best: 1.5, failed: 0 }],
  ]);
});

describe('a study', () => {
  beforeAll(async () => {
    await textClassifier(at('classifier'));
    writeJsonl(at('data.jsonl'), records(40, ['red', 'green', 'blue']));
  }, 120_000);
  const rowsOf = () => readFileSync(at('study/runs.parquet'));

  test('is the same rows again where it goes on', { timeout: 300_000 }, async () => {
    const grid = write('grid.json', GRID);
    const { code, err } = await lotrc('sweep', grid, '-o', at('study'), '--jobs', '2');
    expect(code, err).toBe(0);
    expect(err).toMatch(/4\/4 colours method=lo\w+ lr=0.01 seed=[01]: loss/);
    const before = rowsOf();
    const names = readdirSync(at('study/runs'));
    expect(names.length).toBe(4);
    const rows = (await parquetReadObjects({ file: new Uint8Array(before).buffer })) as Record<
      string,
      unknown
    >[];
    expect(rows.map(({ task, method, seed, status }) => [task, method, seed, status])).toEqual(
      ['lotr', 'lora'].flatMap((method) => [0n, 1n].map((seed) => ['colours', method, seed, 'done'])),
    );
    for (const row of rows) expect(row.accuracy).toBeTypeOf('number');
    for (const row of rows) expect(row.last_loss).toBeLessThan(5);

    expect((await lotrc('sweep', grid, '-o', at('study'))).err).toContain('error LOTR8341');
    const other = write('other.json', { ...GRID, grid: { seed: [7] } });
    expect((await lotrc('sweep', other, '-o', at('study'), '--resume')).err).toContain('error LOTR8341');
    rmSync(join(at('study/runs'), names[1]!));
    rmSync(at('study/runs.parquet'));
    expect((await lotrc('sweep', grid, '-o', at('study'), '--resume')).code).toBe(0);
    expect(rowsOf().equals(before)).toBe(true);

    const { out } = await lotrc('table', at('study'), '--by', 'method,size', '--metric', 'mcc');
    expect(out).toMatch(/^\| method \| size \| mcc, mean \| sd \| n \| best \| failed \|\n\| --- /);
    expect(out.match(/\| 2 \|/g)).toHaveLength(2);
    expect((await lotrc('table', at('study'), '--by', 'depth')).err).toContain('error LOTR8343');
    const last = await lotrc(
      'table',
      at('study'),
      '--by',
      'seed,method',
      '--metric',
      'last_accuracy',
      '--format',
      'html',
    );
    expect(last.out).toContain('<svg');
    expect(last.out.match(/<circle /g)).toHaveLength(4);
    expect((await lotrc('table', at('study'), '--metric', 'last_bleu')).code).toBe(2);
  });

  test('says of a run that fails why, and goes on (LOTR8342)', { timeout: 300_000 }, async () => {
    const grid = write('failing.json', { ...GRID, grid: { loss: ['cross-entropy', 'ctc'] } });
    const { code, err, out } = await lotrc('sweep', grid, '-o', at('failing'), '--json');
    expect(code).toBe(1);
    expect(err).toMatch(/LOTR8342: colours loss=ctc failed: LOTR\d{4}/);
    const { records: found, failed } = JSON.parse(out) as { records: RunRecord[]; failed: number };
    expect([failed, ...found.map(({ status }) => status)]).toEqual([1, 'done', 'failed']);
  });
});
