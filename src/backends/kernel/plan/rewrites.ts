import { derivativeBy } from '../../../adapter/derivative.js';
import { tokenScale } from '../../../adapter/kernel-form.js';
import { deltaTerm, type Letters, type Term } from '../../../adapter/terms.js';
import { weightSteps } from '../../../adapter/weight-steps.js';
import type { Group } from '../model/layers.js';
import type { EinsumStep, Strategy } from '../model/types.js';

/**
 * Exact lowerings of y = x W + s x D over layers, as einsum terms. Letters: m tokens, k inputs, n outputs,
 * r, t and others those between. For a layer `q`: y.q, dy.q; for a value v: dx of x is `d.x`, the gradient of a factor is `d.<factor>`.
 * Layers that multiply the same x by the same share P = x down, its gradient and what follows from it.
 */
export interface LayerOperands {
  readonly id: string;
  readonly x: string;
  readonly w: string;
  /** R, M, L or A, B */
  readonly factors: readonly string[];
  /** what x is multiplied by: a factor, or what is computed under this name */
  readonly down: string;
  readonly group: Pick<Group, 'delta' | 'form' | 'extents' | 'scale'>;
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

  has(out: string): boolean {
    return this.#written.has(out);
  }

  /** out += scale * einsum(args); the first one assigns. */
  add(out: string, einsum: string, args: readonly string[], scale = 1): void {
    this.list.push({ out, einsum, args, scale, accumulate: this.#written.has(out) });
    this.#written.add(out);
  }
}

const P = (layer: LayerOperands) => `P(${layer.x},${layer.down})`;
const dP = (layer: LayerOperands) => `d.${P(layer)}`;
const isFolded = ({ group }: LayerOperands): boolean => group.form.up.bare === null;

/** Letters of the terms, for those of the delta: k and n for in and out, then in the order of the delta. */
function lettersOf({ group: { delta } }: LayerOperands): (letters: Letters) => string {
  const { in: inn, out, operands } = deltaTerm(delta);
  const others = [...new Set(operands.flat())].filter((letter) => letter !== inn[0] && letter !== out[0]);
  const free = [...'rtuvwpqsabcdefghijloxyz'];
  const names = new Map([[inn[0]!, 'k'], [out[0]!, 'n'], ...others.map((l, k) => [l, free[k]!] as const)]);
  return (letters) => letters.map((letter) => names.get(letter)!).join('');
}

/** P = x R. Where up is a factor, the scale is applied here, forward and backward, and B needs no copy. */
function down(layer: LayerOperands, terms: Terms): void {
  const text = lettersOf(layer);
  const { down: side, inner } = layer.group.form;
  const einsum = `mk,${text(side.term.result)}->m${text(inner)}`;
  terms.once(P(layer), einsum, [layer.x, layer.down], tokenScale(layer.group));
}

/** L' = s M L; B as it is. */
function folded(layer: LayerOperands): string {
  const { bare } = layer.group.form.up;
  return bare === null ? `L'.${layer.id}` : layer.factors[bare]!;
}

/** The steps of a term, of which the last gives `out`. */
function steps(
  layer: LayerOperands,
  terms: Terms,
  term: Term,
  args: readonly string[],
  out: string,
  scale: number,
): void {
  const text = lettersOf(layer);
  const list = weightSteps(term, (letter) => layer.group.extents[letter]!);
  const between = (step: number) => `${out}/${step + 1}.${layer.id}`;
  for (const [index, { parts, letters, result }] of list.entries()) {
    const names = parts.map((part) => ('operand' in part ? args[part.operand]! : between(part.step)));
    // the operand that the rows of the result come from goes first
    const order = [...parts.keys()].sort(
      (a, b) => Number(letters[b]!.includes(result[0]!)) - Number(letters[a]!.includes(result[0]!)),
    );
    const einsum = `${order.map((k) => text(letters[k]!)).join(',')}->${text(result)}`;
    const own = order.map((k) => names[k]!);
    if (index === list.length - 1) terms.add(out, einsum, own, scale);
    else terms.once(between(index), einsum, own);
  }
}

/** The sides that are computed of factors. */
function fold(layer: LayerOperands, terms: Terms): void {
  for (const [which, out] of [
    ['down', layer.down],
    ['up', folded(layer)],
  ] as const) {
    const { bare, operands, term } = layer.group.form[which];
    if (bare !== null || terms.has(out)) continue;
    const args = operands.map((k) => layer.factors[k]!);
    steps(layer, terms, term, args, out, which === 'up' ? layer.group.scale : 1);
  }
}

/** Z = P^T dy and dP = dy L'^T: the gradients of all factors are computed from these. */
function backwardOfFold(layer: LayerOperands, terms: Terms): void {
  const { id, group } = layer;
  const r = lettersOf(layer)(group.form.inner);
  terms.add(dP(layer), `mn,${r}n->m${r}`, [`dy.${id}`, folded(layer)], tokenScale(group));
  terms.add(isFolded(layer) ? `Z.${id}` : `d.${folded(layer)}`, `m${r},mn->${r}n`, [P(layer), `dy.${id}`]);
}

function epilogueOfFold(layer: LayerOperands, terms: Terms): void {
  for (const which of ['down', 'up'] as const) {
    const { bare, operands, term } = layer.group.form[which];
    const sums = which === 'up' ? `Z.${layer.id}` : `d.${layer.down}`;
    // the sum of a shared one is over its layers
    if (bare !== null || (which === 'down' && terms.list.some(({ args }) => args.includes(sums)))) continue;
    for (const [at, k] of operands.entries()) {
      const args = [sums, ...operands.filter((own) => own !== k).map((own) => layer.factors[own]!)];
      const scale = which === 'up' ? layer.group.scale : 1;
      steps(layer, terms, derivativeBy(term, at), args, `d.${layer.factors[k]}`, scale);
    }
  }
}

const base = (layer: LayerOperands, w: string, { forward, backward }: Lists) => {
  forward.add(`y.${layer.id}`, 'mk,kn->mn', [layer.x, w]);
  backward.add(`d.${layer.x}`, 'mn,kn->mk', [`dy.${layer.id}`, w]);
};

const LOWER: Readonly<Record<Strategy, (layer: LayerOperands, lists: Lists) => void>> = {
  'L-fold': (layer, lists) => {
    const r = lettersOf(layer)(layer.group.form.inner);
    fold(layer, lists.prologue);
    down(layer, lists.forward);
    base(layer, layer.w, lists);
    lists.forward.add(`y.${layer.id}`, `m${r},${r}n->mn`, [P(layer), folded(layer)]);
    backwardOfFold(layer, lists.backward);
    epilogueOfFold(layer, lists.epilogue);
  },
  token: (layer, lists) => {
    const { id } = layer;
    const { core } = layer.group.form;
    if (core === null) return LOWER['L-fold'](layer, lists);
    const { scale } = layer.group;
    const [m, l] = core.map((k) => layer.factors[k]!) as [string, string];
    down(layer, lists.forward);
    lists.forward.once(`T.${id}`, 'mr,rt->mt', [P(layer), m], scale);
    base(layer, layer.w, lists);
    lists.forward.add(`y.${id}`, 'mt,tn->mn', [`T.${id}`, l]);
    lists.backward.add(`G.${id}`, 'mn,tn->mt', [`dy.${id}`, l]);
    lists.backward.add(`d.${l}`, 'mt,mn->tn', [`T.${id}`, `dy.${id}`]);
    lists.backward.add(dP(layer), 'mt,rt->mr', [`G.${id}`, m], scale);
    lists.backward.add(`d.${m}`, 'mr,mt->rt', [P(layer), `G.${id}`], scale);
  },
  rows: (layer, lists) => LOWER.token(layer, lists),
  merged: (layer, lists) => {
    const merged = `W'.${layer.id}`;
    const r = lettersOf(layer)(layer.group.form.inner);
    fold(layer, lists.prologue);
    lists.prologue.add(merged, 'kn->kn', [layer.w]);
    lists.prologue.add(merged, `k${r},${r}n->kn`, [layer.down, folded(layer)], tokenScale(layer.group));
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
  const [d, r] = [layer.down, lettersOf(layer)(layer.group.form.inner)];
  if (!done(`d.${d}`, dP(layer))) backward.add(`d.${d}`, `mk,m${r}->k${r}`, [layer.x, dP(layer)]);
  if (intoX && !done(`d.${layer.x}`, dP(layer))) {
    backward.add(`d.${layer.x}`, `m${r},k${r}->mk`, [dP(layer), d]);
  }
}

const FINISH: Readonly<Record<Strategy, (layer: LayerOperands, lists: Lists) => void>> = {
  'L-fold': (layer, lists) => upstream(layer, lists, true),
  token: (layer, lists) => upstream(layer, lists, true),
  rows: (layer, lists) => upstream(layer, lists, true),
  merged: (layer, lists) => upstream(layer, lists, false),
};
