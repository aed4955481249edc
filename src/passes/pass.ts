import type { Diagnostic } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import type { ModelFact } from './facts.js';

/** `metadata`: only entries of the model's metadata, which the verifier does not check. */
export type Changed = 'changed' | 'metadata' | 'unchanged';

/** One option of a pass: how its text is read and printed. `parse` throws a plain Error that says what is wrong. */
export interface OptionSpec<T> {
  readonly parse: (text: string) => T;
  readonly print: (value: T) => string;
  readonly default?: T;
  readonly doc: string;
}
type Options<O extends object> = { readonly [Key in keyof O]-?: OptionSpec<O[Key]> };

/** What a pass may use besides the model. */
export interface PassContext {
  /** Reports; an error stops the pipeline after the pass, warnings and remarks are collected. */
  report(diagnostic: Diagnostic): void;
  /** Counts something for `--time` (sites found, nodes removed). */
  stat(name: string, by?: number): void;
  /** Notes that passes leave for later passes of the same run, e.g. the resolved sites. */
  readonly notes: Map<string, unknown>;
}

/** What must be true of a model before a pass, and what is true of it afterwards. */
export interface PassFacts {
  readonly requires?: readonly ModelFact[];
  readonly ensures?: readonly ModelFact[];
}

export interface PassDef<O extends object> extends PassFacts {
  readonly name: string;
  readonly summary: string;
  readonly options: Options<O>;
  run(model: Model, options: Readonly<O>, ctx: PassContext): Changed;
}

/** A pass with its options; `text` parses back to the same pass. */
export interface BoundPass extends PassFacts {
  readonly name: string;
  readonly text: string;
  run(model: Model, ctx: PassContext): Changed;
}

export interface PassFactory<O extends object = object> {
  readonly passName: string;
  readonly summary: string;
  readonly options: Options<O>;
  readonly requires: readonly ModelFact[];
  readonly ensures: readonly ModelFact[];
  /** Reads `key=value,...` (what is between the braces). */
  parse(optionText: string): BoundPass;
  (options?: Partial<O>): BoundPass;
}
