import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { setsByCommand } from '../../cli/declare/sets.js';
import { optionSchema } from '../../cli/dev/docs/options.js';
import { buildProgram } from '../../cli/program.js';
import { Reporter } from '../../cli/reporter.js';
import { flagOf, type OptionDef } from '../../src/options/define.js';
import { type JsonSchema, toJson } from '../../src/options/schema.js';
import { COMMON } from '../../src/options/sets/models.js';
import { fitsSchema } from '../support/json-schema.js';

/** What the declarations of options, the command line and the schema say is the same. */

const io = { out: () => {}, err: () => {} };
const program = await buildProgram({ io, reporter: new Reporter(io, 'text'), exitCode: 0 });
const commands = [...program.commands, ...program.commands.flatMap((command) => command.commands)];
const nameOf = (command: Command): string =>
  command.parent === program ? command.name() : `${command.parent!.name()} ${command.name()}`;
const sets = setsByCommand();

/** Every option of every command by its declaration. */
const declared = [...sets].flatMap(([command, set]) =>
  Object.entries({ ...set, ...COMMON }).map(([key, def]): [string, string, OptionDef] => [command, key, def]),
);

test.each(program.commands.map((command) => command.name()))(
  '%s is declared without the others',
  async (name) => {
    const few = await buildProgram({ io, reporter: new Reporter(io, 'text'), exitCode: 0 }, undefined, [
      name,
    ]);
    expect(few.commands.map((command) => command.name())).toContain(name);
    // a script that completes command lines knows all
    expect(few.commands.length < program.commands.length).toBe(name !== 'completion');
  },
);

describe('options of the command line', () => {
  test('are those of the declarations, in their order', () => {
    const shown = commands.map((command) => [
      nameOf(command),
      command.options.map(({ long, description }) => [long!.slice(2), description]),
    ]);
    const wanted = commands.map((command) => {
      const set = { ...sets.get(nameOf(command)), ...COMMON };
      return [nameOf(command), Object.entries(set).map(([key, def]) => [flagOf(key, def), def.doc])];
    });
    expect(shown).toEqual(wanted);
    expect([...sets.keys()].every((name) => commands.some((command) => nameOf(command) === name))).toBe(true);
  });

  test.each(declared.filter(([, , def]) => def.default !== undefined))(
    '%s %s has a default that it takes',
    (_command, _key, { type, default: value }) => {
      expect(type.problem(value)).toBeNull();
      if (type.placeholder !== null) expect(type.read(String(value), undefined)).toEqual(value);
    },
  );
});

describe('docs/options.schema.json', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../docs/options.schema.json'), 'utf8');
  const schema = JSON.parse(text) as JsonSchema;
  const ofCommand = (command: string) => schema.properties![command]!;

  test('is made from the declarations: npm run gen', () => expect(text).toBe(optionSchema()));

  test('takes the defaults of every command with what must be given, and nothing unknown', () => {
    for (const [command, set] of sets) {
      const needed = { rank: 1, passes: 'dce', output: 'x', data: 'x' };
      const given = Object.entries(set).flatMap(([key, def]) => {
        if (def.required) return [[key, needed[key as keyof typeof needed]]];
        return def.default === undefined ? [] : [[key, toJson(def.default)]];
      });
      const config = Object.fromEntries(given) as object;
      expect(fitsSchema({ [command]: config }, schema), command).toBe(true);
      expect(fitsSchema({ [command]: { ...config, unknown: 1 } }, schema), command).toBe(false);
      for (const [key, def] of Object.entries(set)) {
        if (!def.required) continue;
        expect(fitsSchema({ [command]: { ...config, [key]: undefined } }, schema), key).toBe(false);
      }
    }
    expect(fitsSchema({ other: {} }, schema)).toBe(false);
  });

  test.each(declared)('says of %s %s what functions say', (command, key, { type }) => {
    const own = ofCommand(command).properties![key]!;
    // JSON has no regular expressions: functions take the object, the schema its text
    const given = (sample: unknown) =>
      type.wanted === 'a regular expression' && typeof sample === 'string' ? new RegExp(sample, 'u') : sample;
    for (const sample of SAMPLES.concat(own.enum ?? []))
      expect([sample, type.problem(given(sample)) === null]).toEqual([sample, fitsSchema(sample, own)]);
    const words = ['x', '1', '0.5', '2', 'a=1', 'a=b', 'mse', 'o:mse:2', '1,2', ';', 'sm_80', 'sm_90a,sm_80'];
    words.push('gfx90a,gfx1100', 'block=2', ...(own.enum ?? []));
    let taken = 0;
    for (const word of type.placeholder === null ? [] : words) {
      let value: unknown;
      try {
        value = type.read(word, undefined);
      } catch {
        continue;
      }
      // a reason of its own is given by the command
      if (type.readsMore && !fitsSchema(value, own)) continue;
      taken++;
      expect([word, type.problem(value)]).toEqual([word, null]);
      // JSON has no fields without a value
      const json: unknown = JSON.parse(JSON.stringify(toJson(value)));
      expect([word, fitsSchema(json, own)]).toEqual([word, true]);
    }
    if (type.placeholder !== null) expect(taken).toBeGreaterThan(0);
  });
});

const SAMPLES: readonly unknown[] = [
  ...[null, true, false, '', 'x', 'none', ';', ';;'],
  ...[
    'block=4',
    'block=0',
    'block=x',
    'site',
    'a100',
    'sm_80',
    'sm_80,sm_120',
    'sm_80,',
    '0-5, 8',
    '0-',
    '3,',
  ],
  ...[0, 1, -1, 0.5, 2, 128, 86401, 2 ** 31, -(2 ** 31), 2 ** 53, 1e39, -1e39],
  ...[[], ['a'], [''], ['a', 'a'], [1], [1, 0], [0.5], [null], [{}]],
  ...[{}, { a: 1 }, { a: 0 }, { a: 0.5 }, { a: 'x' }, { a: '' }, { a: null }],
  ...[[{ kind: 'mse' }], [{ kind: 'x' }], [{ kind: 'mse', weight: 0 }], [{ kind: 'mse', output: 1 }]],
  ...[[{ weights: [1, 2] }], [{ weights: [] }], [{ weights: [-1] }], [{ output: 'o', weights: [0] }]],
];
