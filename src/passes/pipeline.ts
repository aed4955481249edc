import { internalError, notReady, passError, unknownPass } from '../ir/codes/passes.js';
import { closest, type Diagnostic, fail, LotrcError } from '../ir/diagnostics.js';
import { own } from '../ir/keys.js';
import type { Model } from '../ir/model.js';
import { verify } from '../ir/verify.js';
import type { GivenOf, OptionSet, ValuesOf } from '../options/define.js';
import { FACTS } from './facts.js';
import { printValue, quoteValue, readValue, splitOptions } from './option-text.js';
import type { BoundPass, Changed, PassContext, PassDef, PassFactory, PassFacts } from './pass.js';

/** Turns a definition into a factory: `pass({rank: 8})` and `pass.parse('rank=8')` give the same bound pass. */
export function definePass<const S extends OptionSet>(def: PassDef<S>): PassFactory<S> {
  const set: OptionSet = def.options;
  const bind = (given: Readonly<Record<string, unknown>>): BoundPass => {
    const values: Record<string, unknown> = {};
    const shown: string[] = [];
    for (const [name, { type, default: usual }] of Object.entries(set)) {
      const value = given[name] ?? usual;
      if (value === undefined) continue;
      values[name] = value;
      const text = printValue(type, value);
      if (usual === undefined || text !== printValue(type, usual)) shown.push(`${name}=${quoteValue(text)}`);
    }
    return {
      name: def.name,
      text: shown.length === 0 ? def.name : `${def.name}{${shown.join(',')}}`,
      ...(def.requires ? { requires: def.requires } : {}),
      ...(def.ensures ? { ensures: def.ensures } : {}),
      run: (model, ctx) => def.run(model, values as unknown as ValuesOf<S>, ctx),
    };
  };
  const parse = (text: string): BoundPass => {
    const given: Record<string, unknown> = {};
    for (const [name, value] of splitOptions(text)) {
      const option = own(set, name);
      if (!option) {
        const near = closest(name, Object.keys(set));
        throw new Error(`has no option "${name}"${near.length > 0 ? `; it has ${near.join(', ')}` : ''}`);
      }
      try {
        given[name] = readValue(option.type, value);
      } catch (error) {
        throw new Error(`option ${name} ${(error as Error).message}`);
      }
    }
    return bind(given);
  };
  const factory = (options: GivenOf<S> = {}): BoundPass => bind(options);
  const { summary, options, name: passName, requires = [], ensures = [] } = def;
  return Object.assign(factory, { summary, options, parse, passName, requires, ensures });
}

export interface Pipeline {
  readonly passes: readonly BoundPass[];
  toString(): string;
}

export function pipelineOf(passes: readonly BoundPass[]): Pipeline {
  return { passes, toString: () => passes.map((pass) => pass.text).join(',') };
}

/** Reads `pass,pass{key=value},...`. Throws LOTR4001 for unknown passes and LOTR4002 for wrong options. */
export function parsePipeline(text: string, known: readonly PassFactory[]): Pipeline {
  const byName = new Map(known.map((factory) => [factory.passName, factory]));
  const passes = splitPasses(text).map(({ name, options }) => {
    const factory = byName.get(name);
    if (!factory) return fail(unknownPass({ name, near: closest(name, byName.keys()) }));
    try {
      return factory.parse(options);
    } catch (error) {
      return fail(passError({ pass: name, why: (error as Error).message }));
    }
  });
  return pipelineOf(passes);
}

function splitPasses(text: string): { name: string; options: string }[] {
  const found: { name: string; options: string }[] = [];
  let at = 0;
  while (at < text.length) {
    const name = /^[A-Za-z][\w-]*/.exec(text.slice(at))?.[0];
    if (!name) fail(passError({ pass: text.slice(at, at + 20), why: 'a pass name was expected here' }));
    at += name.length;
    let options = '';
    if (text[at] === '{') {
      const end = closingBrace(text, at);
      if (end < 0) fail(passError({ pass: name, why: 'its "{" is not closed' }));
      options = text.slice(at + 1, end);
      at = end + 1;
    }
    found.push({ name, options });
    if (at < text.length && text[at] !== ',') {
      fail(passError({ pass: name, why: `"," was expected after it, not "${text[at]}"` }));
    }
    at++;
  }
  return found;
}

function closingBrace(text: string, open: number): number {
  let quoted = false;
  for (let at = open + 1; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++;
    else if (text[at] === '"') quoted = !quoted;
    else if (text[at] === '}' && !quoted) return at;
  }
  return -1;
}

/** One row of `--time`. */
export interface PassTiming {
  /** what is made, where one command makes several models: `grad.onnx` */
  readonly of: string | null;
  readonly pass: string;
  readonly milliseconds: number;
  readonly verifyMilliseconds: number;
  readonly changed: Changed;
  readonly stats: ReadonlyMap<string, number>;
}

export interface PipelineHooks {
  beforePass?(pass: Pick<BoundPass, 'name' | 'text'>, model: Model): void;
  afterPass?(timing: PassTiming, model: Model): void;
  /**
   * `rest` is the pipeline from the failing pass on, null where the command cannot be said as one; `before` the model's
   * text before it, when `print` is given
   */
  onFailure?(rest: string | null, before: string | null, error: unknown): string | null;
}

/** How a job that changes a model is watched and verified. */
export interface WatchOptions {
  /**
   * verify after each pass; default true. Otherwise before the first and after the last, and when that finds errors and
   * the model can be loaded again with `reload`, the passes run again and are verified one by one, so that the failing
   * one is named
   */
  readonly verifyEach?: boolean;
  readonly hooks?: readonly PipelineHooks[];
  /** prints a model; needed for a reproducer to hold the text before the failing pass */
  readonly print?: (model: Model) => string;
}

export interface RunOptions extends WatchOptions {
  /**
   * loads the model again as it was before the first pass. Printing before every pass costs more than the passes; with
   * this, a failure runs the passes before the failing one again and prints only then
   */
  readonly reload?: () => Model;
}

/** Runs the passes of one job over one model, one call for each, with what is watched and verified between them. */
export class PassRunner {
  readonly #collected: Diagnostic[] = [];
  readonly #notes = new Map<string, unknown>();
  readonly #options: WatchOptions;
  readonly #of: string | null;
  #changes = false;

  constructor(options: WatchOptions, of: string | null = null) {
    this.#options = options;
    this.#of = of;
  }

  /** warnings and remarks of the passes so far */
  get collected(): readonly Diagnostic[] {
    return this.#collected;
  }

  /**
   * One pass. Throws what the pass reports; a model that it leaves invalid throws LotrcError; an exception that is not a
   * diagnostic becomes LOTR9001. `failed`: the pipeline from here on, and the model's text before this pass.
   */
  run(
    pass: BoundPass,
    model: Model,
    failed: () => { readonly rest: string | null; readonly before: string | null } = () => NOTHING,
  ): void {
    const { verifyEach = true, hooks = [] } = this.#options;
    for (const hook of hooks) hook.beforePass?.(pass, model);
    const stats = new Map<string, number>();
    const ctx: PassContext = {
      notes: this.#notes,
      report: (diagnostic) => this.#collected.push(diagnostic),
      stat: (name, by = 1) => stats.set(name, (stats.get(name) ?? 0) + by),
    };
    let ran = false;
    try {
      requireFacts(pass, model);
      const start = performance.now();
      const changed = pass.run(model, ctx);
      const middle = performance.now();
      if (this.#collected.some(({ severity }) => severity === 'error')) throw new LotrcError(this.#collected);
      ran = true;
      this.#changes ||= changed === 'changed';
      if (verifyEach && changed === 'changed') demandValid(model);
      if (verifyEach) ensureFacts(pass, model);
      const timing = {
        of: this.#of,
        pass: pass.text,
        milliseconds: middle - start,
        verifyMilliseconds: performance.now() - middle,
        changed,
        stats,
      };
      for (const hook of hooks) hook.afterPass?.(timing, model);
    } catch (error) {
      // a pass reports problems of the model or the options; a model that it leaves invalid is a bug of the pass
      if (error instanceof LotrcError && !ran) throw error;
      const { rest, before } = failed();
      const places = hooks.map((hook) => hook.onFailure?.(rest, before, error) ?? null);
      if (error instanceof LotrcError) throw error;
      const where = places.find((place) => place !== null) ?? null;
      const why = error instanceof Error ? error.message : String(error);
      throw new LotrcError([...this.#collected, internalError({ pass: pass.name, why, reproducer: where })]);
    }
  }

  /** A pass of a job that has no text to be named by: `work` changes the model and may return something. */
  step<T>(name: string, model: Model, work: (ctx: PassContext) => T, facts: PassFacts = {}): T {
    let result: T;
    this.run(
      {
        name,
        text: name,
        ...facts,
        run: (_, ctx) => {
          result = work(ctx);
          return 'changed';
        },
      },
      model,
    );
    return result!;
  }

  /** Errors of the model after the last pass, where it was not verified after each. */
  errors(model: Model): readonly Diagnostic[] {
    const { verifyEach = true } = this.#options;
    return !verifyEach && this.#changes ? errorsOf(model) : [];
  }
}

/** The runner of a job over a model, which is verified first. */
export function startJob(model: Model, options: WatchOptions, of: string | null = null): PassRunner {
  demandValid(model);
  return new PassRunner(options, of);
}

const NOTHING = { rest: null, before: null } as const;

/**
 * Runs passes over a model and verifies it. Returns the warnings and remarks. An error that a pass reports, or a
 * model that no longer verifies, throws LotrcError with everything collected; an exception that is not a diagnostic
 * becomes LOTR9001 with the place of the reproducer.
 */
export function runPipeline(
  pipeline: Pipeline,
  model: Model,
  options: RunOptions = {},
): readonly Diagnostic[] {
  const { print, reload } = options;
  demandValid(model);
  const runner = new PassRunner(options);
  for (const [index, pass] of pipeline.passes.entries()) {
    const early = print && !reload ? print(model) : null;
    runner.run(pass, model, () => ({
      rest: pipelineOf(pipeline.passes.slice(index)).toString(),
      before: print && reload ? textBefore(pipeline.passes.slice(0, index), reload, print) : early,
    }));
  }
  const errors = runner.errors(model);
  // the same passes over the same model fail in the same place
  if (errors.length > 0 && reload) runPipeline(pipeline, reload(), { ...options, verifyEach: true });
  if (errors.length > 0) throw new LotrcError(errors);
  return runner.collected;
}

/** The model's text after some passes, or null when it cannot be made again, e.g. because its file is gone. */
function textBefore(
  passes: readonly BoundPass[],
  reload: () => Model,
  print: (model: Model) => string,
): string | null {
  try {
    const model = reload();
    const ctx: PassContext = { notes: new Map(), report: () => {}, stat: () => {} };
    for (const pass of passes) pass.run(model, ctx);
    return print(model);
  } catch {
    return null; // the failure to be reported is the first one
  }
}

/** Throws LOTR4003 for a pass whose model is not what it needs. */
function requireFacts({ name, requires = [] }: BoundPass, model: Model): void {
  for (const fact of requires) {
    const { holds, otherwise, hint } = FACTS[fact];
    if (!holds(model)) fail(notReady({ pass: name, why: otherwise, hint }));
  }
}

/** Throws for a pass that does not leave what it says that it leaves: a bug of the pass. */
function ensureFacts({ name, ensures = [] }: BoundPass, model: Model): void {
  for (const fact of ensures)
    if (!FACTS[fact].holds(model))
      throw new Error(`${name} leaves a model of which ${FACTS[fact].otherwise}`);
}

function errorsOf(model: Model): readonly Diagnostic[] {
  return verify(model).filter(({ severity }) => severity === 'error');
}

function demandValid(model: Model): void {
  const errors = errorsOf(model);
  if (errors.length > 0) throw new LotrcError(errors);
}

/** The text of a reproducer: the model before the failing pass, with the command that fails on it. */
export function reproducer(before: string, rest: string): string {
  return `# RUN: lotrc run %s --passes '${rest.replaceAll("'", `'\\''`)}'\n${before}`;
}
