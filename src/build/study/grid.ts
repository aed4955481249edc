import { createHash } from 'node:crypto';
import { RandomStream } from '../../init/rng.js';
import { badGrid } from '../../ir/codes/study.js';
import { fail } from '../../ir/diagnostics.js';
import { readJsonFile } from '../../ir/files/json-file.js';
import {
  either,
  fits,
  flag,
  list,
  number,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  text,
  whole,
} from '../../ir/files/schema.js';
import { flagOf, type OptionSet } from '../../options/define.js';
import type { JsonSchema } from '../../options/schema.js';
import { BadValue } from '../../options/types.js';
import { METRIC_NAMES, type MetricName } from '../../train/metrics/index.js';
import { TUNE } from '../tune-set.js';

/** The value of an option in a grid: a list gives an option several times. */
export type GridValue = string | number | boolean | readonly string[];
export type GridValues = Readonly<Record<string, GridValue>>;

/** A grid of runs, as its file has it. Version 1. */
export interface Grid {
  /** for editors: docs/grid.schema.json of the package */
  readonly $schema?: string | undefined;
  readonly version: 1;
  /** from the folder of the grid, as all other files in it */
  readonly model: string;
  /** options of `lotrc tune` that all runs have, by key */
  readonly options?: GridValues | undefined;
  /** options that go together, as a method and the rank that gives it a size: each with every combination of `grid` */
  readonly points?: readonly GridValues[] | undefined;
  /** the values that are tried, by option */
  readonly grid: Readonly<Record<string, readonly GridValue[]>>;
  /** options of each task, by its name */
  readonly tasks?: Readonly<Record<string, GridValues>> | undefined;
  readonly search?: Search | undefined;
}

export type Search =
  | { readonly kind: 'grid' }
  /** so many runs of the grid, drawn without repetition */
  | { readonly kind: 'random'; readonly count: number; readonly seed?: number | undefined }
  /** all runs with `from` steps; the best of them, one in `factor`, again with `factor` times as many; and so on */
  | {
      readonly kind: 'halving';
      readonly from: number;
      readonly factor: number;
      readonly metric?: MetricName | undefined;
    };

const scalarValue = either<number, string | boolean>(
  'a text, a number, or true or false',
  number,
  either('', text, flag),
);
const gridValue: Schema<GridValue> = either<string | number | boolean, readonly string[]>(
  'a text, a number, true or false, or a list of texts',
  scalarValue,
  list(text),
);
const atLeastOne =
  <T>(schema: Schema<readonly T[]>): Schema<readonly T[]> =>
  (value, field) => {
    const read = schema(value, field);
    fits('a list that is not empty', () => read.length > 0)(value, field);
    return read;
  };

const SEARCHES: { readonly [K in Search['kind']]: Schema<Search> } = {
  grid: object<Extract<Search, { kind: 'grid' }>>({ kind: oneOf(['grid']) }, 'refused'),
  random: object<Extract<Search, { kind: 'random' }>>(
    { kind: oneOf(['random']), count: whole(1), seed: optional(whole()) },
    'refused',
  ),
  halving: object<Extract<Search, { kind: 'halving' }>>(
    {
      kind: oneOf(['halving']),
      from: whole(1),
      factor: whole(2),
      metric: optional(oneOf(METRIC_NAMES)),
    },
    'refused',
  ),
};
const search: Schema<Search> = (value, field) => {
  const { kind } = object<Pick<Search, 'kind'>>({ kind: oneOf(['grid', 'random', 'halving']) })(value, field);
  return SEARCHES[kind](value, field);
};

const gridSchema: Schema<Grid> = object<Grid>(
  {
    $schema: optional(text),
    version: oneOf([1]),
    model: text,
    options: optional(record(gridValue)),
    points: optional(atLeastOne(list(record(gridValue)))),
    grid: record(atLeastOne(list(gridValue))),
    tasks: optional(record(record(gridValue))),
    search: optional(search),
  },
  'refused',
);

/** What a study gives its runs itself. */
const OWN: ReadonlySet<string> = new Set(['output', 'json', 'resume', 'clobber']);

/** Reads a grid and checks every value with its option. Throws LOTR8340. */
export function readGrid(file: string): Grid {
  const refuse = (why: string): never => fail(badGrid({ file, why }));
  const grid = readJsonFile(file, gridSchema, refuse);
  const check = (where: string, key: string, value: GridValue): void => {
    const why = problemOf(key, value);
    if (why !== null) refuse(`${where}.${key} ${why}`);
  };
  for (const [key, value] of Object.entries(grid.options ?? {})) check('options', key, value);
  for (const [place, point] of (grid.points ?? []).entries())
    for (const [key, value] of Object.entries(point)) {
      if (Object.hasOwn(grid.grid, key))
        refuse(`points[${place}].${key} is in grid too: leave it out of one`);
      check(`points[${place}]`, key, value);
    }
  for (const [key, values] of Object.entries(grid.grid))
    for (const value of values) check('grid', key, value);
  for (const [name, options] of Object.entries(grid.tasks ?? {}))
    for (const [key, value] of Object.entries(options)) check(`tasks.${name}`, key, value);
  if (
    grid.search?.kind === 'halving' &&
    [grid.options ?? {}, grid.grid, ...(grid.points ?? [])].some((values) => 'maxSteps' in values)
  )
    refuse('search.kind halving sets maxSteps itself: leave it out');
  return grid;
}

const SET: OptionSet = TUNE;

/** JSON schema of a grid, for editors: docs/grid.schema.json. Options are those that options.schema.json next to it has. */
export function gridJsonSchema(): JsonSchema {
  const options: JsonSchema = { $ref: 'options.schema.json#/properties/tune' };
  const kind = (
    name: Search['kind'],
    fields: NonNullable<JsonSchema['properties']>,
    required: readonly string[],
  ): JsonSchema => ({
    type: 'object',
    properties: { kind: { type: 'string', enum: [name] }, ...fields },
    required: ['kind', ...required],
    additionalProperties: false,
  });
  const least = (minimum: number): JsonSchema => ({ type: 'integer', minimum });
  return {
    type: 'object',
    properties: {
      $schema: { type: 'string' },
      version: { type: 'integer', minimum: 1, maximum: 1 },
      model: { type: 'string', description: 'from the folder of the grid, as all files in it' },
      options,
      points: { type: 'array', minItems: 1, items: options },
      grid: { type: 'object', additionalProperties: { type: 'array', minItems: 1 } },
      tasks: { type: 'object', additionalProperties: options },
      search: {
        anyOf: [
          kind('grid', {}, []),
          kind('random', { count: least(1), seed: least(0) }, ['count']),
          kind(
            'halving',
            { from: least(1), factor: least(2), metric: { type: 'string', enum: METRIC_NAMES } },
            ['from', 'factor'],
          ),
        ],
      },
    },
    required: ['version', 'model', 'grid'],
    additionalProperties: false,
  };
}

/** Why a value is none of an option; null: it is one. */
function problemOf(key: string, value: GridValue): string | null {
  if (!Object.hasOwn(SET, key)) return 'is not an option of `lotrc tune`: docs/options.md lists their keys';
  if (OWN.has(key)) return 'is what the study sets itself';
  const { type } = SET[key]!;
  if (type.placeholder === null) return typeof value === 'boolean' ? null : 'takes true or false';
  if (typeof value === 'boolean') return `takes ${type.wanted}`;
  try {
    let read: unknown;
    for (const one of textsOf(value)) read = type.read(one, read);
    // of an option that is given once the last of several texts would count
    const kept = read instanceof Map ? read.size : Array.isArray(read) ? read.length : 1;
    return typeof value === 'object' && kept !== value.length ? 'takes one text, not a list' : null;
  } catch (error) {
    if (error instanceof BadValue) return error.message;
    throw error;
  }
}

const textsOf = (value: Exclude<GridValue, boolean>): readonly string[] =>
  typeof value === 'object' ? value : [String(value)];

/** The options as words of a command line. */
export function wordsOf(options: GridValues): readonly string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const name = `--${flagOf(key, SET[key]!)}`;
    if (typeof value === 'boolean') return value ? [name] : [];
    return textsOf(value).map((one) => `${name}=${one}`);
  });
}

/** One run of a study. */
export interface StudyRun {
  /** of all that it is: the same run has the same name in every study of the model */
  readonly id: string;
  /** null where the grid names no tasks */
  readonly task: string | null;
  /** the values of the grid that it has, and `maxSteps` of a round */
  readonly varied: GridValues;
  /** all its options */
  readonly options: GridValues;
  /** round of a halving, from 0; else null */
  readonly round: number | null;
}

/** Without a number of threads, runs that share the machine would give other bits than runs that do not. */
const THREADS = { threads: 1 };

/** The runs of a grid in their order: tasks outermost, then its points, then its options in the order of the file. */
export function runsOf(grid: Grid): readonly StudyRun[] {
  let points: readonly GridValues[] = grid.points ?? [{}];
  for (const [key, values] of Object.entries(grid.grid))
    points = points.flatMap((point) => values.map((value) => ({ ...point, [key]: value })));
  const tasks: readonly (readonly [string | null, GridValues])[] = grid.tasks
    ? Object.entries(grid.tasks)
    : [[null, {}]];
  const all = tasks.flatMap(([task, own]) =>
    points.map((varied) => ({ task, varied, options: { ...THREADS, ...grid.options, ...own, ...varied } })),
  );
  const chosen = grid.search?.kind === 'random' ? drawn(all, grid.search) : all;
  return chosen.map((run) => withId(run, grid.search?.kind === 'halving' ? 0 : null, grid.search));
}

/** A run of a halving in a later round. */
export function inRound(run: StudyRun, round: number, search: Search): StudyRun {
  return withId(run, round, search);
}

function withId(
  { task, varied, options }: Pick<StudyRun, 'task' | 'varied' | 'options'>,
  round: number | null,
  search: Search | undefined,
): StudyRun {
  const steps = search?.kind === 'halving' ? { maxSteps: search.from * search.factor ** round! } : {};
  const own = { ...options, ...steps };
  const sorted = Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1));
  const id = createHash('sha256')
    .update(JSON.stringify([task, sorted]))
    .digest('hex')
    .slice(0, 12);
  return { id, task, varied: { ...varied, ...steps }, options: own, round };
}

function drawn<T>(
  all: readonly T[],
  { count, seed = 0 }: { readonly count: number; readonly seed?: number | undefined },
): readonly T[] {
  const random = new RandomStream(seed, 'study');
  const keys = all.map((_, i) => random.uniform(i));
  const places = all.map((_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b);
  return places
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((place) => all[place]!);
}
