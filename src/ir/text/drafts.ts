import type { HeldAttr } from '../attr.js';
import type { Graph, Origin } from '../model.js';
import type { ValueType } from '../shape.js';
import type { TensorData } from '../tensor.js';

/** What the parser reads before names become values (build.ts). `at` are offsets in the text, for messages. */
export interface ParsedGraph {
  readonly graph: Graph;
  readonly inputs: ParsedInfo[];
  readonly outputs: ParsedInfo[];
  /** initializers (`data`) and types of values, in order */
  readonly infos: ParsedInfo[];
  readonly nodes: ParsedNode[];
  /** notes on values and on the tensors of initializers */
  readonly notes: NoteDraft[];
}

export interface ParsedInfo {
  readonly name: string;
  readonly type: ValueType | null;
  readonly data: TensorData | null;
  readonly at: number;
}

export interface ParsedNode {
  readonly name: string;
  readonly domain: string;
  readonly op: string;
  readonly overload: string;
  readonly outputs: readonly string[];
  readonly inputs: readonly string[];
  readonly attrs: readonly (readonly [string, HeldAttr])[];
  /** the graphs of the attributes */
  readonly graphs: readonly ParsedGraph[];
  readonly note: TextNote;
}

/** The entries of a `#@` note. */
export interface TextNote {
  docString: string;
  metadata: ReadonlyMap<string, string>;
  origin: Origin | null;
}

interface NoteDraft {
  readonly target: 'value' | 'tensor';
  readonly name: string;
  readonly note: TextNote;
  readonly at: number;
}
