import { describe, expect, test } from 'vitest';
import { chart, type Point } from '../../../src/train/logs/chart.js';
import type { Setting } from '../../../src/train/logs/hparams.js';
import { reportHtml } from '../../../src/train/logs/report.js';
import type { LogRow } from '../../../src/train/logs/rows.js';
import { smoothed } from '../../../src/train/logs/smooth.js';
import { short, ticks } from '../../../src/train/logs/ticks.js';

const row = (split: string, step: number, values: Readonly<Record<string, number>>): LogRow => ({
  split,
  step,
  wallTime: 1_700_000_000 + step / 2,
  values: new Map(Object.entries(values)),
});
const settings = (all: Readonly<Record<string, Setting>>) => new Map(Object.entries(all));

/** The text between tags, tags as line breaks. */
const textOf = (html: string) => html.replace(/<style>[\s\S]*?<\/style>/, '').replace(/<[^>]*>/g, '\n');

describe('the report', () => {
  const rows = [
    ...Array.from({ length: 60 }, (_, i) =>
      row('train', i + 1, { loss: i === 30 ? Number.NaN : 2 - i / 100, lr: 0.01, norm: 0.5 }),
    ),
    row('eval', 20, { loss: 1.875, accuracy: 0.25 }),
    row('eval', 40, { loss: 1.5625, accuracy: 0.75 }),
    row('eval', 60, { loss: 1.625, accuracy: 0.75 }),
  ];
  const html = reportHtml({
    settings: settings({
      model: 'a <b> & "c"',
      method: 'lotr',
      task: 'whales',
      rank: 8,
      lr: 0.003,
      parameters: 17_920,
    }),
    rows,
  });

  test('has the numbers: best evaluation and where, last loss, parameters, settings', () => {
    const text = textOf(html).split('\n');
    const below = (what: string) => text.slice(text.indexOf(what) + 1).filter((line) => line.trim() !== '');
    expect(below('best eval loss').slice(0, 2)).toEqual(['1.563', 'at step 40, first 1.875']);
    // the earliest of equal ones
    expect(below('best eval accuracy').slice(0, 2)).toEqual(['0.75', 'at step 40, first 0.25']);
    expect(below('last training loss').slice(0, 2)).toEqual(['1.41', 'at step 60']);
    expect(below('trainable parameters')[0]).toBe('17,920');
    expect(below('learning rate').includes('0.003')).toBe(true);
    expect(text).toContain('lotr of rank 8, 60 steps, 30 s');
    expect(html).toContain('<td class="best">1.563</td><td class="best">0.75</td>');
    expect(html.match(/class="best"/g)).toHaveLength(2);
  });

  test('says where a value is not finite, and breaks the line there', () => {
    expect(html).toContain('One row has a value that is not finite, first at step 31.');
    expect(html).toContain('<title>training, each step at step 31: NaN</title>');
    expect(html).not.toMatch(/ d="[^"]*(NaN|Infinity)/);
    expect(html.match(/<path class="s0 faint"/g)).toHaveLength(2);
  });

  test('is self-contained: no script, nothing from elsewhere, names are text, every element is closed', () => {
    expect(html).not.toMatch(/<script|https?:|src=|@import|url\((?!#)/i);
    expect(html).toContain('a &lt;b&gt; &amp; &quot;c&quot;');
    expect(html).toContain('prefers-color-scheme: dark');
    const open: string[] = [];
    for (const [, closing, name, own] of html.matchAll(/<(\/?)([a-zA-Z][\w]*)[^>]*?(\/?)>/g)) {
      if (['meta', '!doctype'].includes(name!) || own) continue;
      if (closing) expect(open.pop()).toBe(name);
      else open.push(name!);
    }
    expect(open).toEqual([]);
  });

  test('is the same for the same rows', () => {
    const again = reportHtml({ settings: settings({ model: 'm' }), rows });
    expect(reportHtml({ settings: settings({ model: 'm' }), rows })).toBe(again);
  });

  test('of a run without a step, or with losses that are never finite, is a page too', () => {
    expect(textOf(reportHtml({ settings: new Map(), rows: [] }))).toMatch(/Training run\s+0 steps/);
    const lost = reportHtml({ settings: new Map(), rows: [row('train', 1, { loss: Number.NaN })] });
    expect(lost).toContain('training at step 1: NaN');
    expect(lost).not.toMatch(/="[^"]*NaN[^"]*"/);
  });

  test('of a long run stays small', () => {
    const long = Array.from({ length: 50_000 }, (_, i) =>
      row('train', i + 1, { loss: 2 + Math.sin(i), norm: i % 7 }),
    );
    expect(reportHtml({ settings: new Map(), rows: long }).length).toBeLessThan(150_000);
  });
});

describe('a chart', () => {
  test('puts the least and the largest value where they belong', () => {
    const points: Point[] = [
      [10, 4],
      [20, 8],
      [30, 6],
    ];
    const svg = chart({ title: 'T', series: [{ name: 'n', points, look: 'line' }] });
    const [, d] = / d="M([^"]+)"/.exec(svg)!;
    const [a, b, c] = d!.split('L').map((pair) => pair.split(' ').map(Number) as [number, number]);
    expect([a![0] < b![0], b![0] < c![0]]).toEqual([true, true]);
    // equal steps lie equally far apart, and height is linear in the value
    expect(b![0] - a![0]).toBeCloseTo(c![0] - b![0], 0);
    expect((a![1] - c![1]) / (a![1] - b![1])).toBeCloseTo(0.5, 2);
    expect(a![1]).toBeGreaterThan(b![1]);
  });

  test('keeps the peaks of a dense line', () => {
    const points = Array.from({ length: 9001 }, (_, i): Point => [i, i === 4567 ? 100 : i % 3]);
    const svg = chart({ title: 'T', series: [{ name: 'n', points, look: 'line' }] });
    const heights = / d="M([^"]+)"/
      .exec(svg)![1]!
      .split('L')
      .map((pair) => Number(pair.split(' ')[1]));
    expect(heights.length).toBeLessThanOrEqual(1202);
    expect(heights.filter((height) => height < 50)).toHaveLength(1);
  });
});

test('ticks are round and within', () => {
  expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
  expect(ticks(-3, 17, 5)).toEqual([0, 5, 10, 15]);
  expect(ticks(1.41, 1.47, 3).map(short)).toEqual(['1.42', '1.44', '1.46']);
  expect(ticks(2, 2, 5)).toEqual([2]);
  expect(Object.is(ticks(0, 1, 5)[0], 0)).toBe(true);
  // no round number lies between neighbours
  expect(ticks(1e300, 1.0000000000000002e300, 5)).toEqual([1e300]);
  expect(ticks(-1e308, 1e308, 5).every((tick) => tick >= -1e308 && tick <= 1e308)).toBe(true);
});

test('numbers are short', () => {
  expect([0, 1.75704, -12.3456, 1234.5, 0.00012345, 1e-4, 12_345_678].map(short)).toEqual([
    '0',
    '1.757',
    '-12.35',
    '1,235',
    '1.23e-4',
    '1e-4',
    '1.23e7',
  ]);
  expect([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(short)).toEqual([
    'NaN',
    '\u221e',
    '-\u221e',
  ]);
});

test('smoothing keeps a constant, starts at the first value and passes over what is not finite', () => {
  const flat = Array.from({ length: 40 }, (_, i): Point => [i, i === 3 ? Number.NaN : 2.5]);
  const result = smoothed(flat)!;
  expect(result).toHaveLength(39);
  for (const [, value] of result) expect(value).toBeCloseTo(2.5, 12);
  const rising = smoothed(Array.from({ length: 20 }, (_, i): Point => [i, i]))!;
  expect(rising[0]).toEqual([0, 0]);
  // weights 1, 3/4 of the older, start corrected: (1 + 0 * 3/4) / (1 + 3/4)
  expect(rising[1]![1]).toBeCloseTo(4 / 7, 12);
  expect(smoothed(flat.slice(0, 19))).toBeNull();
});
