import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PLAN_KEY } from '../../src/adapter/saved-plan.js';
import { type Diagnostic, formatDiagnostic } from '../../src/ir/diagnostics.js';
import type { Model } from '../../src/ir/model.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { PassRunner, type PassTiming, parsePipeline } from '../../src/passes/pipeline.js';
import { ALL_PASSES } from '../../src/passes/registry.js';
import { GOLDEN, type Json, json, PASSES } from './golden.js';

/** A line `# ---- PASSES`: what is below it is expected of these passes over what is above it. */
const SEPARATOR = /^# ---- (.*)$/;

/** One file of golden/passes: a model, then one section for each run of passes. */
export interface PassCase {
  /** `lower/a-chain-for-many-tokens` */
  readonly name: string;
  readonly path: string;
  /** the pass that is shown: the folder's name, and the last pass of the last section */
  readonly pass: string;
  readonly content: string;
}

/** Every case of single passes, sorted. Throws for what is not a case. */
export function passCases(): PassCase[] {
  const root = join(GOLDEN, PASSES);
  return readdirSync(root)
    .sort()
    .flatMap((pass) =>
      readdirSync(join(root, pass))
        .sort()
        .map((file) => {
          if (!file.endsWith('.onnxtxt'))
            throw new Error(`golden/passes/${pass}/${file} is no .onnxtxt file`);
          const path = join(root, pass, file);
          const name = `${pass}/${file.slice(0, -'.onnxtxt'.length)}`;
          return { name, path, pass, content: readFileSync(path, 'utf8') };
        }),
    );
}

/** What a case gave. */
export interface PassOutcome {
  /** the file as it should be */
  readonly content: string;
  /** whether the last section's pass says that it changed the model */
  readonly changed: boolean;
  /** the model as written, and after the last section, as bytes of an .onnx file */
  readonly written: Uint8Array;
  readonly after: Uint8Array;
}

/** Runs the passes of a case, verified after each. Throws for a file that is not a case. */
export function runPasses({ name, path, pass, content }: PassCase): PassOutcome {
  const wrong = (why: string) => new Error(`golden/passes/${name}.onnxtxt ${why}`);
  if (!content.startsWith('## ')) throw wrong('must open with "## " and what it shows');
  const lines = content.split('\n');
  const first = lines.findIndex((line) => SEPARATOR.test(line));
  if (first < 0) throw wrong('has no line "# ---- PASSES"');
  const sections = lines.flatMap((line) => SEPARATOR.exec(line)?.[1] ?? []);
  const last = parsePipeline(sections.at(-1)!, ALL_PASSES).passes;
  if (last.length !== 1 || last[0]!.name !== pass) throw wrong(`must end with a section "# ---- ${pass}"`);

  const timings: PassTiming[] = [];
  const runner = new PassRunner({ hooks: [{ afterPass: (timing) => timings.push(timing) }] });
  let result = `${lines.slice(0, first).join('\n')}\n`;
  const model = parseModel(result, path);
  const written = encodeModel(model);
  let shown = viewOf(model);
  for (const [index, section] of sections.entries()) {
    const told = runner.collected.length;
    for (const bound of parsePipeline(section, ALL_PASSES).passes) runner.run(bound, model);
    const now = viewOf(model);
    const withPlan = index === sections.length - 1 && now.plan !== shown.plan;
    const changed = now.text !== shown.text || now.plan !== shown.plan;
    result += `# ---- ${section}\n${remarks(runner.collected.slice(told))}`;
    result += changed
      ? `${now.text}${withPlan ? planText(now.plan, shown.plan) : ''}`
      : unchanged(timings.at(-1)!);
    shown = now;
  }
  const changed = timings.at(-1)!.changed !== 'unchanged';
  return { content: result, changed, written, after: encodeModel(model) };
}

interface View {
  readonly text: string;
  readonly plan: string | undefined;
}

/** A model as text in which the plan is only named, and the plan. */
function viewOf(model: Model): View {
  const plan = model.metadata.get(PLAN_KEY);
  if (plan !== undefined) model.setMetadata(PLAN_KEY, '(the plan)');
  const text = printModel(model, { locations: false });
  if (plan !== undefined) model.setMetadata(PLAN_KEY, plan);
  return { text, plan };
}

const comment = (text: string): string => `${text.replaceAll(/^/gm, '# ')}\n`;

/** The lines of a plan that were not in the plan before it. */
function planText(now: string | undefined, before: string | undefined): string {
  const lines = (plan: string) => json(JSON.parse(plan) as Json, '').split('\n');
  if (now === undefined) return '';
  if (before === undefined) return comment(`the plan: ${lines(now).join('\n')}`);
  const known = new Set(lines(before));
  const fresh = lines(now).filter((line) => !known.has(line));
  return comment(['in the plan:', ...fresh].join('\n'));
}

function remarks(told: readonly Diagnostic[]): string {
  return told.map((diagnostic) => comment(formatDiagnostic(diagnostic))).join('');
}

/** What a pass counted that left the model as it was. */
function unchanged({ stats }: PassTiming): string {
  const counts = [...stats].map(([name, count]) => `${name} ${count}`);
  return comment(['the same', ...counts].join('; '));
}
