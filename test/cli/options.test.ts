import type { Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../../cli/program.js';
import { Reporter } from '../../cli/reporter.js';
import { lotrc } from '../support/cli.js';

/** Every option that takes a number refuses what is not one, and what is out of its range. */

const io = { out: () => {}, err: () => {} };
const program = await buildProgram({ io, reporter: new Reporter(io, 'text'), exitCode: 0 });
const options = [...program.commands, ...program.commands.flatMap(({ commands }) => commands)].flatMap(
  (command) => command.options.map((option) => [command.name(), option.long!, option] as const),
);
const NUMBERS = /<(?:n|x|k|e|share|steps)>$/;
const NAMED = /<\w+=(?:n|x)>$/;
/** Options whose numbers may be below zero. */
const SIGNED = new Set(['--scale', '--ignore-index']);
/** Options for patterns: they are read, and checked, with the model. */
const PATTERNS = new Set(['--rank-pattern', '--scale-pattern']);

const parsed = (option: Option, text: string): unknown => {
  const { parseArg } = option as unknown as { parseArg?: (text: string, before: unknown) => unknown };
  if (!parseArg) throw new TypeError(`${option.flags} takes a number and has no reader`);
  return parseArg(text, undefined);
};
const refusal = expect.objectContaining({
  diagnostics: [expect.objectContaining({ code: 'LOTR8001' })],
}) as Error;

describe('numbers on the command line', () => {
  const plain = options.filter(([, , { flags }]) => NUMBERS.test(flags));
  test('there are many', () => expect(plain.length).toBeGreaterThan(30));
  test.each(plain)('%s %s', (_command, name, option) => {
    const bad = ['', 'x', '1x', '1e999', '1e39', 'NaN', ...(SIGNED.has(name) ? [] : ['-1'])];
    for (const text of bad) expect(() => parsed(option, text), text).toThrow(refusal);
    const good = ['1', '0.5', '2'].filter((text) => {
      try {
        return typeof parsed(option, text) !== 'undefined';
      } catch {
        return false;
      }
    });
    expect(good).not.toEqual([]);
  });
  const named = options.filter(([, name, { flags }]) => NAMED.test(flags) && !PATTERNS.has(name));
  test.each(named)('%s %s', (_command, _name, option) => {
    for (const text of ['', 'a', 'a=', 'a=x', 'a=0', 'a=-1', '=1'])
      expect(() => parsed(option, text), text).toThrow(refusal);
    expect(parsed(option, 'a=2')).toEqual(new Map([['a', 2]]));
  });
});

describe('ranges', () => {
  test.each([
    ['train d --eval-split 1', 'at least 0 and below 1'],
    ['train d --warmup -1', 'at least 0'],
    ['train d --epochs 0', 'above 0'],
    ['train d --lr 0', 'above 0'],
    ['train d --data x --eval-data y --eval-split 0.1', 'give one of them'],
    ['train d --data x --lr 0.1 --min-lr 0.2', 'the schedule goes down'],
    ['train d --data x --warmup 2.5', 'a whole number of steps'],
    ['train d --data x --loss-scale 3', 'a power of two'],
    ['train d --input a=b --input a=c', 'gives "a" twice'],
    ['emit onnx-train m -o d --label-smoothing 1', 'below 1'],
    ['emit onnx-train m -o d --optimizer sgd --beta1 0.5', 'does not belong to --optimizer sgd'],
    ['emit onnx-train m -o d --momentum 0.5', 'does not belong to --optimizer adamw'],
    ['verify a b --dim batch=0', 'at least 1'],
    ['rewrite m --rank 2 --keep-functions --lowering token', 'give one of them'],
    ['apply m a --keep-functions --lowering fold', 'give one of them'],
  ])('%s', async (line, text) => {
    const { code, err } = await lotrc(...line.split(' '));
    expect(err).toContain('error LOTR8001:');
    expect(err).toContain(text);
    expect(code).toBe(2);
  });
});

describe('folders and adapters', () => {
  test.each([
    ['tune m --data d', 'a folder for several files'],
    ['train d --data x', 'a folder for several files'],
    ['emit onnx-train m', 'a folder for several files'],
    ['emit wgsl m', 'a folder for several files'],
    ['sweep g.json', 'a folder for several files'],
    ['compress a b', 'a folder or an adapter file'],
  ])('%s does not write into y.onnx', async (words, what) => {
    const { code, err } = await lotrc(...words.split(' '), '-o', 'y.onnx');
    expect([code, err]).toEqual([
      2,
      expect.stringContaining(`takes the name of ${what}, without the ending .onnx, not "y.onnx"`),
    ]);
  });
  test('an adapter is not written to the name of a model', async () => {
    const { code, err } = await lotrc('convert', 'a.safetensors', 'y.onnx');
    expect([code, err]).toEqual([2, expect.stringContaining('has the ending of a model')]);
  });
});
