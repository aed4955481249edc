import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { PLAN_KEY } from '../../src/adapter/saved-plan.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { printModel } from '../../src/ir/text/index.js';
import { lotrc, words } from './cli.js';
import { unifiedDiff } from './diff.js';
import { makeFile } from './files.js';

/** Where the cases of this repository are. */
export const GOLDEN = resolve(import.meta.dirname, '../../golden');
/** the area of the cases of single passes (golden-passes.ts), which are files and have no command lines */
export const PASSES = 'passes';
const INPUT = 'input.onnxtxt';

export interface Case {
  /** `rewrite/lotr-on-matmul-and-add` */
  readonly name: string;
  readonly folder: string;
  readonly input: string;
  /** command lines, with %s for the input and %t for the folder of the outputs */
  readonly runs: readonly string[];
  /** binary files to make first: `%t/cut.onnx truncated 40` */
  readonly files: readonly string[];
  /** why ONNX Runtime is not asked to load the input; null when it is */
  readonly notForOrt: string | null;
  /** the outputs to show, by path in %t; null: every file that lies in %t itself */
  readonly shown: readonly string[] | null;
}

/** Every case below a folder, sorted. Throws for folders that are not a case. */
export function cases(root = GOLDEN): Case[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((area) => area.isDirectory() && area.name !== PASSES)
    .flatMap((area) => readdirSync(join(root, area.name)).map((name) => `${area.name}/${name}`))
    .sort()
    .map((name) => readCase(root, name));
}

function readCase(root: string, name: string): Case {
  const folder = join(root, name);
  const file = join(folder, INPUT);
  if (!statSync(folder).isDirectory() || !existsSync(file)) {
    throw new Error(`golden/${name} has no ${INPUT}: add it, or delete what is there`);
  }
  const input = readFileSync(file, 'utf8');
  const lines = input.split('\n');
  if (!lines[0]!.startsWith('## '))
    throw new Error(`golden/${name}/${INPUT} must open with "## " and what it shows`);
  const directive = (word: string) =>
    lines.filter((line) => line.startsWith(`# ${word}: `)).map((line) => line.slice(word.length + 4));
  const runs = directive('RUN');
  if (runs.length === 0) throw new Error(`golden/${name}/${INPUT} has no "# RUN: lotrc ..." line`);
  return {
    name,
    folder,
    input,
    runs,
    files: directive('FILE'),
    notForOrt: directive('NOT-FOR-ORT')[0] ?? null,
    shown: directive('SHOW')[0]?.split(' ') ?? null,
  };
}

/** What a case gave. */
export interface Outcome {
  /** expected files by name: report.txt, diagnostics.txt, one view per output */
  readonly views: ReadonlyMap<string, string>;
  /** models that are shown, by path, in the scratch folder */
  readonly models: readonly string[];
  /** those of them that the case wrote in place of the input: in %t itself, not in a folder that a back end fills */
  readonly rewritten: readonly string[];
  /** the copy of the input in the scratch folder */
  readonly input: string;
  readonly scratch: string;
}

/** Runs a case in a scratch folder, which the caller removes. */
export async function runCase(test: Case): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'lotrc-golden-'));
  const source = join(scratch, 'source');
  const target = join(scratch, 'out');
  for (const folder of [source, target]) mkdirSync(folder);
  const input = join(source, INPUT);
  copyFileSync(join(test.folder, INPUT), input);
  const fill = (text: string) => text.replaceAll('%s', input).replaceAll('%t', target);
  const strip = (text: string) =>
    text.replaceAll(input, '%s').replaceAll(target, '%t').replaceAll(source, '%d');
  for (const file of test.files) makeFile(words(fill(file)), input);
  const before = new Set(readdirSync(target));
  let report = '';
  let diagnostics = '';
  for (const run of test.runs) {
    const [program, ...argv] = words(fill(run));
    if (program !== 'lotrc') throw new Error(`golden/${test.name}: RUN lines start with lotrc`);
    const { code, out, err } = await lotrc(...argv);
    report += out;
    diagnostics += code === 0 ? err : `${err}exit ${code}\n`;
  }
  const views = new Map<string, string>();
  if (report !== '') views.set('report.txt', strip(report));
  if (diagnostics !== '') views.set('diagnostics.txt', strip(diagnostics));
  const models: string[] = [];
  const plans = new Map<string, string>();
  const made = readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(target, join(entry.parentPath, entry.name)))
    .filter((file) => !before.has(file))
    .sort();
  const shown = test.shown ?? made.filter((file) => dirname(file) === '.');
  for (const file of shown)
    if (!made.includes(file))
      throw new Error(`golden/${test.name}: no run writes %t/${file}, which it shows`);
  const view = (name: string, text: string) => {
    if (views.has(name)) throw new Error(`golden/${test.name} shows two files as ${name}`);
    views.set(name, text);
  };
  // adapter files first: a model that carries the same plan only refers to it
  for (const file of made.filter((name) => name.endsWith('.safetensors'))) {
    const { tensors, metadata } = readSafetensors(join(target, file));
    const plan = metadata[PLAN_KEY];
    const name = `${basename(file)}.txt`;
    if (plan !== undefined && !plans.has(plan)) plans.set(plan, shown.includes(file) ? name : `%t/${file}`);
    if (shown.includes(file)) view(name, adapterText(tensors, metadata));
  }
  for (const file of shown.filter((name) => !name.endsWith('.safetensors'))) {
    const path = join(target, file);
    if (file.endsWith('.onnx')) {
      models.push(path);
      view(`${basename(file, '.onnx')}.onnxtxt`, modelText(readModel(path), plans));
    } else if (file.endsWith('.json')) {
      view(basename(file), `${json(JSON.parse(strip(readFileSync(path, 'utf8'))) as Json, '', 160)}\n`);
    } else view(basename(file), strip(readFileSync(path, 'utf8')));
  }
  const rewritten = models.filter((path) => dirname(path) === target);
  return { views, models, rewritten, input, scratch };
}

function modelText(model: Model, plans: ReadonlyMap<string, string>): string {
  const file = plans.get(model.metadata.get(PLAN_KEY) ?? '');
  if (file !== undefined) model.setMetadata(PLAN_KEY, `(as in ${file})`);
  return printModel(model, { locations: false });
}

/** A safetensors file as text: one line per tensor, then the metadata. */
function adapterText(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
): string {
  const lines = [...tensors].map(
    ([name, data]) => `${name}  ${data.dtype}[${data.shape.join(',')}]  ${data.digest()}`,
  );
  for (const [key, value] of Object.entries(metadata)) {
    lines.push(`${key}: ${value.startsWith('{') ? json(JSON.parse(value) as Json, '') : value}`);
  }
  return `${lines.join('\n')}\n`;
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** JSON in which everything that fits on a line of `width` characters is on one. */
export function json(value: Json, indent: string, width = 100): string {
  const line = JSON.stringify(value);
  if (indent.length + line.length <= width || typeof value !== 'object' || value === null) return line;
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? (value as readonly Json[]).map((item) => json(item, inner, width))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${json(item, inner, width)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${items.map((item) => inner + item).join(',\n')}\n${indent}${close}`;
}

/** Compares what a case gave with its expected files, or with `bless` makes them so. Returns what is wrong. */
export function settle(test: Case, views: ReadonlyMap<string, string>, bless: boolean): string[] {
  const present = readdirSync(test.folder).filter((file) => file !== INPUT);
  const wrong: string[] = [];
  for (const [file, text] of views) {
    const path = join(test.folder, file);
    const expected = existsSync(path) ? readFileSync(path, 'utf8') : null;
    if (expected === text) continue;
    if (bless) writeFileSync(path, text);
    else if (expected === null) wrong.push(`${file} is missing; it would be:\n${text}`);
    else wrong.push(unifiedDiff(expected, text, file));
  }
  for (const file of present) {
    if (views.has(file)) continue;
    if (bless) rmSync(join(test.folder, file));
    else wrong.push(`${file} is left over: nothing gives it any more`);
  }
  return wrong;
}
