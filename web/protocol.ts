import type { Diagnostic } from '../src/ir/diagnostics.js';

/** What the page asks of its worker, and what the worker tells. Plain data: it is copied between the two. */

/** What a file is for. */
export const ROLES = ['model', 'data', 'evaluation', 'tokenizer', 'beside'] as const;
export type Role = (typeof ROLES)[number];

export interface FileView {
  readonly name: string;
  readonly bytes: number;
  readonly role: Role;
}

/** The options of one command that the page shows. */
export type SetName = 'rewrite' | 'emit' | 'train';

export interface FieldView {
  readonly key: string;
  /** as on the command line, without dashes */
  readonly flag: string;
  /** most users give it */
  readonly common: boolean;
  readonly doc: string;
  readonly kind: 'choice' | 'switch' | 'text' | 'number' | 'lines';
  readonly choices: readonly string[];
  /** the default as text; '': none */
  readonly initial: string;
}

/** What is typed into fields, by key; a key that is absent or '' is an option that is not given. */
export type Texts = Readonly<Record<string, string>>;
export type AllTexts = Readonly<Record<SetName, Texts>>;

export interface ProviderView {
  readonly name: 'wasm' | 'webgpu';
  readonly usable: boolean;
  /** what it runs on, or why it does not */
  readonly why: string;
}

/** What the worker can do here. */
export interface About {
  readonly fields: Readonly<Record<SetName, readonly FieldView[]>>;
  readonly providers: readonly ProviderView[];
  readonly samples: readonly { readonly name: string; readonly title: string; readonly about: string }[];
  /** a run that an earlier visit left; null: none */
  readonly held: HeldRun | null;
  /** null: checkpoints are kept; else why not */
  readonly withoutCheckpoints: string | null;
}

interface HeldRun {
  readonly model: string;
  /** steps in its checkpoint */
  readonly step: number;
}

export interface LayerView {
  readonly module: string;
  readonly op: string;
  readonly size: string;
  readonly dtype: string;
  /** null: it can be adapted */
  readonly refused: string | null;
}

export interface ProjectView {
  readonly files: readonly FileView[];
  readonly layers: readonly LayerView[];
  readonly summary: string;
  /** values that go with a sample or an earlier run; null: those of the page stay */
  readonly texts: AllTexts | null;
}

interface ChangeView {
  readonly before: string | null;
  readonly after: string | null;
}

export interface RewriteView {
  readonly summary: string;
  readonly changes: readonly ChangeView[];
  /** changes that are not shown */
  readonly more: number;
  readonly notes: readonly Diagnostic[];
}

export interface StepView {
  readonly step: number;
  readonly loss: number;
  readonly lr: number;
  /** tokens or examples in a second */
  readonly rate: number;
}

export interface EvaluationView {
  readonly step: number;
  readonly loss: number;
  readonly text: string;
}

/** A text that the model continues, with the adapter of a step. */
export interface SampleView {
  readonly step: number;
  readonly text: string;
}

/** How a run ended, or was paused. */
export interface RunEnd {
  readonly finished: boolean;
  readonly step: number;
  readonly total: number;
  readonly summary: string;
}

export type RunEvent =
  | { readonly kind: 'busy'; readonly what: string }
  | { readonly kind: 'note'; readonly diagnostic: Diagnostic }
  | {
      readonly kind: 'started';
      readonly summary: string;
      readonly unit: 'tokens' | 'examples';
      readonly total: number;
      readonly steps: readonly StepView[];
      readonly evaluations: readonly EvaluationView[];
      readonly samples: readonly SampleView[];
    }
  | { readonly kind: 'step'; readonly row: StepView }
  | { readonly kind: 'evaluated'; readonly row: EvaluationView }
  | { readonly kind: 'saved'; readonly step: number }
  | { readonly kind: 'sample'; readonly row: SampleView };

export type Download = 'adapter' | 'adapted' | 'merged';

export interface TrainRequest {
  readonly texts: AllTexts;
  readonly provider: ProviderView['name'];
}

/** The functions of the worker. */
export interface Calls {
  about(): Promise<About>;
  /** Takes files in place of those before. */
  open(files: readonly File[]): Promise<ProjectView>;
  sample(name: string): Promise<ProjectView>;
  assign(name: string, role: Role): Promise<ProjectView>;
  rewrite(texts: Texts): Promise<RewriteView>;
  /** Trains to the end, or until it is paused. */
  train(request: TrainRequest): Promise<RunEnd>;
  /** The files and values of the run that is held. */
  restore(): Promise<ProjectView>;
  /** Goes on with the run that is held, or that was paused. */
  resume(): Promise<RunEnd>;
  pause(): Promise<void>;
  /** Deletes the run that is held. */
  forget(): Promise<void>;
  file(what: Download): Promise<{ readonly name: string; readonly bytes: Uint8Array }>;
}

export interface Call {
  readonly id: number;
  readonly name: keyof Calls;
  readonly given: readonly unknown[];
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failed: readonly Diagnostic[] }
  | { readonly event: RunEvent };
