import type { Node, Value } from './model.js';

/**
 * An adapter is data: an einsum over factors next to a frozen linear layer. LoTR (arXiv 2402.01376) and LoRA
 * (arXiv 2106.09685) are two values of one description; no pass depends on their names.
 *
 * `delta` maps factor index spaces to `io`: `i` and `o` are the layer's in and out extents, every other letter is a
 * rank. LoTR is `ir,rs,so->io` with R (group), M (site), L (group); LoRA is `ir,ro->io` with A and B (site).
 */
export interface AdapterSpec {
  readonly method: string;
  readonly delta: string;
  /** one per einsum operand, in order */
  readonly factors: readonly FactorSpec[];
  readonly scale: number;
  /** effective scale: scale/r, scale/sqrt(r), scale */
  readonly scaling: 'rank' | 'sqrt-rank' | 'none';
}

export interface FactorSpec {
  /** R, M, L for LoTR; A, B for LoRA: the name in JSON, files, options and documents */
  readonly name: string;
  readonly share: 'site' | 'group';
  readonly init: Init;
  readonly lrMultiplier: number;
  readonly mode: 'trainable' | 'frozen';
}

/** `normal`: N(0, sd^2); `fanIn`: N(0, gain/fan) with fan = the factor's first extent; `svd`: see init-factors. */
export type Init =
  | 'zeros'
  | 'eye'
  | { readonly normal: number }
  | { readonly fanIn: number }
  | { readonly svd: 'in' | 'out' | 'core' };

export type ShareRule = 'shape' | 'target' | 'type' | 'site' | `block=${number}`;
export type Carry = 'embedded' | 'inputs' | 'optional';
export type Lowering = 'fold' | 'token';
/** Types other than float32 that factors are stored in. */
export type FactorDType = 'f16' | 'bf16';

/** Where a site's module path was found, in the order of preference. */
export type NameSource =
  | 'name_scopes'
  | 'onnxscript_scopes'
  | 'namespace'
  | 'folded_from'
  | 'weight'
  | 'bias'
  | 'node'
  | 'ordinal';

/** `io`: W is (in, out) as in MatMul; `oi`: (out, in) as in Gemm with transB=1. */
export type Layout = 'io' | 'oi';

/** One node that reads a site's weight. `via` are the Identity/Transpose/Cast nodes between the weight and the node. */
export interface SiteUse {
  readonly node: Node;
  /** the initializer, or the output of the Constant node, that stores the weight */
  readonly weight: Value;
  /** layout of the matrix as the node reads it: after `via` */
  readonly layout: Layout;
  readonly via: readonly Node[];
}

/** One weight identity, however many nodes read it: one site, one core. */
export interface Site {
  /** the module path, or `ordinal` name when none is known; unique in the model */
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: NameSource;
  /** further module paths of a tied weight */
  readonly aliases: readonly string[];
  readonly in: number;
  readonly out: number;
  readonly dtype: string;
  readonly uses: readonly SiteUse[];
}

/** A site after selection: its group and its extents r. */
export interface AdapterSite extends Site {
  readonly group: string;
  readonly rank: number;
}

/** The einsum's operand subscripts, e.g. [['i','r'],['r','s'],['s','o']]. Throws when `delta` is malformed. */
export function operandsOf(spec: Pick<AdapterSpec, 'delta'>): readonly (readonly string[])[] {
  const [left, right] = spec.delta.split('->');
  if (right !== 'io' || !left) throw new Error(`delta "${spec.delta}" must end in "->io"`);
  return left.split(',').map((operand) => [...operand]);
}

/** Extents of a factor for a layer of (in, out) and rank r: R of LoTR is [in, r]. All rank letters have extent `rank`. */
export function factorShape(
  spec: AdapterSpec,
  factor: number,
  inn: number,
  out: number,
  rank: number,
): number[] {
  const letters = operandsOf(spec)[factor];
  if (!letters) throw new Error(`${spec.method} has no factor ${factor}`);
  return letters.map((letter) => (letter === 'i' ? inn : letter === 'o' ? out : rank));
}

/** The factor by which the product of all factors is multiplied. */
export function effectiveScale(spec: Pick<AdapterSpec, 'scale' | 'scaling'>, rank: number): number {
  if (spec.scaling === 'rank') return spec.scale / rank;
  return spec.scaling === 'sqrt-rank' ? spec.scale / Math.sqrt(rank) : spec.scale;
}

const trainable = { mode: 'trainable', lrMultiplier: 1 } as const;

/** LoTR with the authors' default initialisation: R, L ~ N(0,1), M = 0. */
export const LOTR: AdapterSpec = {
  method: 'lotr',
  delta: 'ir,rs,so->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'R', share: 'group', init: { normal: 1 }, ...trainable },
    { name: 'M', share: 'site', init: 'zeros', ...trainable },
    { name: 'L', share: 'group', init: { normal: 1 }, ...trainable },
  ],
};

/** LoRA: A ~ N(0, 1/in), B = 0. */
export const LORA: AdapterSpec = {
  method: 'lora',
  delta: 'ir,ro->io',
  scale: 1,
  scaling: 'rank',
  factors: [
    { name: 'A', share: 'site', init: { fanIn: 1 }, ...trainable },
    { name: 'B', share: 'site', init: 'zeros', ...trainable },
  ],
};

export const METHODS: ReadonlyMap<string, AdapterSpec> = new Map(
  [LOTR, LORA].map((spec) => [spec.method, spec]),
);

// ── the plan that is saved in a rewritten file ──────────────────────────────

export const PLAN_KEY = 'lotrc.adapters';

/** `metadata_props["lotrc.adapters"]`: what lets a rewritten file be inspected, merged, extracted and re-ranked. */
export interface SavedPlan {
  /** 2 where `weights` has rows: what reads version 1 alone would leave the trained weights out */
  readonly version: 1 | 2;
  readonly plans: readonly PlanRow[];
  /** weights of the base that were trained in full (`--also-train`) and belong to the adapter */
  readonly weights?: readonly WeightRow[];
}

/** A weight of the base that was trained in full: one parameter, wherever the base stores it. */
export interface WeightRow {
  /** name of its tensor in adapter files, which is the name of the first place */
  readonly name: string;
  readonly shape: readonly number[];
  /** where the base stores it; more than one for a tied weight that an exporter wrote several times */
  readonly places: readonly WeightPlace[];
}

export interface WeightPlace {
  /** name of the initializer, or of the output of the Constant node */
  readonly tensor: string;
  /** of the data that the base has there */
  readonly digest: string;
  /** the base stores the transpose of the matrix there; never in the first place */
  readonly transposed: boolean;
}

export interface PlanRow {
  readonly spec: AdapterSpec;
  readonly share: ShareRule;
  readonly carry: Carry;
  readonly lowering: Lowering | 'function';
  readonly seed: number;
  /** the weights named here are what was left after the initial factors took their leading part (init `svd`) */
  readonly residual?: true;
  /** the model stores the factors in this type; absent: float32 */
  readonly factorDType?: FactorDType;
  readonly groups: readonly GroupRow[];
  readonly sites: readonly SiteRow[];
}

export interface GroupRow {
  readonly id: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** group-shared factors: factor name -> tensor name (R -> "lotr/128x128/R") */
  readonly factors: Readonly<Record<string, string>>;
}

export interface SiteRow {
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: NameSource;
  readonly aliases: readonly string[];
  readonly group: string;
  /** site factors: factor name -> tensor name (M -> "lotr/encoder.q/M") */
  readonly factors: Readonly<Record<string, string>>;
  /** one per node that reads the weight */
  readonly uses: readonly SiteUseRow[];
}

export interface SiteUseRow {
  /** name of the base node (may be empty) */
  readonly node: string;
  /** name of the adapted output value: unique in its graph, so nodes without names are found by it */
  readonly output: string;
  readonly op: string;
  readonly weight: string;
  readonly digest: string;
  readonly layout: Layout;
  /** storage is transposed against the layout the node reads (a Transpose lies between) */
  readonly transposed: boolean;
}
