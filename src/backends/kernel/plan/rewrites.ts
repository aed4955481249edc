import { hasCore } from '../../../adapter/kernel-chain.js';
import type { EinsumStep, Strategy } from '../model/types.js';

/**
 * Exact lowerings of y = x W + s x F_1 ... F_n over layers, as einsum terms. Letters: m tokens, k inputs, n outputs,
 * r and t ranks. For a layer `q`: y.q, dy.q; for a value v: dx of x is `d.x`, the gradient of a factor is `d.<factor>`.
 * Layers that read the same x with the same first factor share P = x F_1, its gradient and what follows from it.
 */
export interface LayerOperands {
  readonly id: string;
  readonly x: string;
  readonly w: string;
  /** R, M, L (three) or A, B (two) */
  readonly factors: readonly string[];
  readonly scale: number;
}

/** Terms once per step before the tokens, for the tokens forward and backward, and once per step after them. */
export interface Lowered {
  readonly prologue: readonly EinsumStep[];
  readonly forward: readonly EinsumStep[];
  readonly backward: readonly EinsumStep[];
  readonly epilogue: readonly EinsumStep[];
}

/** Lowers layers by one strategy. */
export function lowerTerms(strategy: Strategy, layers: readonly LayerOperands[]): Lowered {
  const lists = { prologue: new Terms(), forward: new Terms(), backward: new Terms(), epilogue: new Terms() };
  for (const layer of layers) {
    LOWER[strategy](layer, lists);
  }
  // terms that need the sum over layers come after all of them
  for (const layer of layers) FINISH[strategy](layer, lists);
  return {
    prologue: lists.prologue.list,
    forward: lists.forward.list,
    backward: lists.backward.list,
    epilogue: lists.epilogue.list,
  };
}

type Lists = { readonly [K in keyof Lowered]: Terms };

class Terms {
  readonly list: EinsumStep[] = [];
  readonly #written = new Set<string>();

  /** out = scale * einsum(args), unless it is there. */
  once(out: string, einsum: string, args: readonly string[], scale = 1): void {
    if (!this.#written.has(out)) this.add(out, einsum, args, scale);
  }

  /** out += scale * einsum(args); the first one assigns. */
  add(out: string, einsum: string, args: readonly string[], scale = 1): void {
    this.list.push({ out, einsum, args, scale, accumulate: this.#written.has(out) });
    this.#written.add(out);
  }
}

const first = (layer: LayerOperands) => layer.factors[0]!;
const last = (layer: LayerOperands) => layer.factors.at(-1)!;
const P = (layer: LayerOperands) => `P(${layer.x},${first(layer)})`;
const dP = (layer: LayerOperands) => `d.${P(layer)}`;

/** P = x R. With two factors the scale is applied here, forward and backward, and B needs no copy. */
function down(layer: LayerOperands, terms: Terms): void {
  terms.once(P(layer), 'mk,kr->mr', [layer.x, first(layer)], hasCore(layer) ? 1 : layer.scale);
}

/** L' = s M L; with two factors B as it is. */
function folded(layer: LayerOperands): string {
  return hasCore(layer) ? `L'.${layer.id}` : last(layer);
}

function foldL(layer: LayerOperands, terms: Terms): void {
  if (hasCore(layer)) terms.once(folded(layer), 'rt,tn->rn', [layer.factors[1]!, last(layer)], layer.scale);
}

/** Z = P^T dy and dP = dy L'^T: the gradients of all factors are computed from these. */
function backwardOfFold(layer: LayerOperands, terms: Terms): void {
  const { id } = layer;
  terms.add(dP(layer), 'mn,rn->mr', [`dy.${id}`, folded(layer)], hasCore(layer) ? 1 : layer.scale);
  if (hasCore(layer)) terms.add(`Z.${id}`, 'mr,mn->rn', [P(layer), `dy.${id}`]);
  else terms.add(`d.${last(layer)}`, 'mr,mn->rn', [P(layer), `dy.${id}`]);
}

function epilogueOfFold(layer: LayerOperands, terms: Terms): void {
  if (!hasCore(layer)) return;
  const [, m, l] = layer.factors;
  terms.add(`d.${m}`, 'rn,tn->rt', [`Z.${layer.id}`, l!], layer.scale);
  terms.add(`d.${l}`, 'rt,rn->tn', [m!, `Z.${layer.id}`], layer.scale);
}

const base = (layer: LayerOperands, w: string, { forward, backward }: Lists) => {
  forward.add(`y.${layer.id}`, 'mk,kn->mn', [layer.x, w]);
  backward.add(`d.${layer.x}`, 'mn,kn->mk', [`dy.${layer.id}`, w]);
};

const LOWER: Readonly<Record<Strategy, (layer: LayerOperands, lists: Lists) => void>> = {
  'L-fold': (layer, lists) => {
    foldL(layer, lists.prologue);
    down(layer, lists.forward);
    base(layer, layer.w, lists);
    lists.forward.add(`y.${layer.id}`, 'mr,rn->mn', [P(layer), folded(layer)]);
    backwardOfFold(layer, lists.backward);
    epilogueOfFold(layer, lists.epilogue);
  },
  token: (layer, lists) => {
    if (!hasCore(layer)) return LOWER['L-fold'](layer, lists);
    const { id, scale } = layer;
    const [, m, l] = layer.factors;
    down(layer, lists.forward);
    lists.forward.once(`T.${id}`, 'mr,rt->mt', [P(layer), m!], scale);
    base(layer, layer.w, lists);
    lists.forward.add(`y.${id}`, 'mt,tn->mn', [`T.${id}`, l!]);
    lists.backward.add(`G.${id}`, 'mn,tn->mt', [`dy.${id}`, l!]);
    lists.backward.add(`d.${l}`, 'mt,mn->tn', [`T.${id}`, `dy.${id}`]);
    lists.backward.add(dP(layer), 'mt,rt->mr', [`G.${id}`, m!], scale);
    lists.backward.add(`d.${m}`, 'mr,mt->rt', [P(layer), `G.${id}`], scale);
  },
  merged: (layer, lists) => {
    const merged = `W'.${layer.id}`;
    foldL(layer, lists.prologue);
    lists.prologue.add(merged, 'kn->kn', [layer.w]);
    const scale = hasCore(layer) ? 1 : layer.scale;
    lists.prologue.add(merged, 'kr,rn->kn', [first(layer), folded(layer)], scale);
    base(layer, merged, lists);
    down(layer, lists.backward);
    backwardOfFold(layer, lists.backward);
    epilogueOfFold(layer, lists.epilogue);
  },
};

/** dR = x^T dP, once per shared P; dx += dP R^T unless the merged weight has it already. */
function upstream(layer: LayerOperands, { backward }: Lists, intoX: boolean): void {
  const done = (out: string, argument: string) =>
    backward.list.some((term) => term.out === out && term.args.includes(argument));
  const r = first(layer);
  if (!done(`d.${r}`, dP(layer))) backward.add(`d.${r}`, 'mk,mr->kr', [layer.x, dP(layer)]);
  if (intoX && !done(`d.${layer.x}`, dP(layer))) {
    backward.add(`d.${layer.x}`, 'mr,kr->mk', [dP(layer), r]);
  }
}

const FINISH: Readonly<Record<Strategy, (layer: LayerOperands, lists: Lists) => void>> = {
  'L-fold': (layer, lists) => upstream(layer, lists, true),
  token: (layer, lists) => upstream(layer, lists, true),
  merged: (layer, lists) => upstream(layer, lists, false),
};
