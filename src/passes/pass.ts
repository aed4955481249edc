import type { Diagnostic } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import type { GivenOf, OptionSet, Typed, ValuesOf } from '../options/define.js';
import type { ModelFact } from './facts.js';

/** `metadata`: only entries of the model's metadata, which the verifier does not check. */
export type Changed = 'changed' | 'metadata' | 'unchanged';

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

export interface PassDef<S extends OptionSet> extends PassFacts {
  readonly name: string;
  readonly summary: string;
  /** by their names in a pipeline */
  readonly options: S & Typed<S>;
  run(model: Model, options: ValuesOf<S>, ctx: PassContext): Changed;
}

/** A pass with its options; `text` parses back to the same pass. */
export interface BoundPass extends PassFacts {
  readonly name: string;
  readonly text: string;
  run(model: Model, ctx: PassContext): Changed;
}

export interface PassFactory<S extends OptionSet = OptionSet> {
  readonly passName: string;
  readonly summary: string;
  readonly options: S;
  readonly requires: readonly ModelFact[];
  readonly ensures: readonly ModelFact[];
  /** Reads `key=value,...` (what is between the braces). */
  parse(optionText: string): BoundPass;
  (options?: GivenOf<S>): BoundPass;
}
