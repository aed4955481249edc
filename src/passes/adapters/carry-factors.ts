import { lettersOfFactor, wrapOf } from '../../adapter/description.js';
import { factorNames, planFactors } from '../../adapter/plan-factors.js';
import type { Carry, PlanRow, SiteRow } from '../../adapter/saved-plan.js';
import { deltaTerm } from '../../adapter/terms.js';
import { conflict } from '../../ir/codes/sites.js';
import { fail } from '../../ir/diagnostics.js';
import { byteLengthOf } from '../../ir/dtype.js';
import type { Model } from '../../ir/model.js';
import { elementCount, tensorType } from '../../ir/shape.js';
import { MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { patchPlan, requirePlan } from '../plan/plan.js';
import { CONVOLUTION } from './conv-layer.js';
import { isOverridable, requireIrVersion } from './stored-weight.js';

/**
 * How a rewritten model carries its factors; by default as its plan says. `embedded`: initializers. `inputs`: required
 * graph inputs with a symbolic rank, the form that JavaScript hosts can swap. `optional`: initializers that are also
 * inputs, with defaults that add exactly nothing, for the LoraAdapter interface of C, C++, C#, Java and Python. The
 * defaults have rank 0, and are zeros of rank 1 where a convolution of the group reads them: ONNX Runtime's Conv over
 * no channels leaves its output buffer uninitialised, which may be NaN. Returns the data of the factors that were
 * embedded, by name: with `inputs` and `optional` only the adapter file has it. Throws LOTR3007 for a wrap without such defaults.
 */
export function carryFactors(model: Model, form?: Carry): ReadonlyMap<string, TensorData> {
  const plan = requirePlan(model, 'carry factors');
  const data = new Map<string, TensorData>();
  const tensors = planFactors(plan.plans);
  for (const row of plan.plans) {
    const carry = form ?? row.carry;
    // before IR version 4 a caller could not override the defaults
    if (carry === 'optional') requireIrVersion(model, 4);
    refuseOptional(row, carry);
    const symbols = rankSymbols(row);
    const convolved = convolvedFactors(row);
    for (const { name, factor, spec } of tensors.filter((tensor) => tensor.row === row)) {
      const value = model.graph.own(name);
      if (!value?.constant || isOverridable(model, value)) continue;
      const held = value.constant;
      data.set(name, held);
      // what follows from a seed is the same for every adapter of the plan
      if (carry === 'embedded' || spec.mode === 'seeded') continue;
      const letters = lettersOfFactor(row.spec, factor);
      const extents = <T>(rank: (letter: string) => T): (T | number)[] =>
        letters.map((letter, axis) => (symbols.get(name)!.has(letter) ? rank(letter) : held.shape[axis]!));
      const symbolic = extents((letter) => symbols.get(name)!.get(letter)!);
      const rank = convolved.has(name) ? 1 : 0;
      const shape = extents(() => rank);
      const zeros = new Uint8Array(byteLengthOf(held.dtype, elementCount(shape))!);
      const nothing = new MemoryTensor(held.dtype, shape, zeros);
      if (value.isInput) model.graph.concealInput(value);
      const type = tensorType(held.dtype, symbolic);
      model.graph.exposeInitializer(value, type, carry === 'inputs' ? null : nothing);
    }
  }
  if (form) patchPlan(model, { carry: form });
  return data;
}

/** Lengths of columns have no values that leave every base as it is. */
function refuseOptional({ spec }: PlanRow, carry: Carry): void {
  if (carry !== 'optional' || wrapOf(spec) !== 'column-norm') return;
  fail(
    conflict({
      options: '--factors optional',
      why: `the wrap column-norm of method "${spec.method}" has no factors that change nothing`,
      hint: 'use --factors inputs, or embedded factors',
    }),
  );
}

/** Factors of the groups that a convolution belongs to: what two of them multiply must have one rank. */
function convolvedFactors(row: PlanRow): ReadonlySet<string> {
  const slides = ({ uses }: SiteRow) => uses.some(({ op }) => op === CONVOLUTION);
  const groups = new Set(row.sites.filter(slides).map(({ group }) => group));
  return new Set(
    row.sites.filter(({ group }) => groups.has(group)).flatMap((site) => factorNames(row, site)),
  );
}

/**
 * A symbol for every rank of every factor tensor: equal where the extents must be equal, so that a runtime can check
 * them. A rank that some factor of a group has is one per group, any other one per site. A letter that is left out keeps its extent.
 */
function rankSymbols(row: PlanRow): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const { result, out } = deltaTerm(row.spec.delta);
  const { factors, extents = {} } = row.spec;
  const operands = factors.map((_, k) => lettersOfFactor(row.spec, k));
  // ranks that values outside the caller's reach have are those of the plan
  const bound = new Set([
    ...result,
    out.join(''),
    ...Object.keys(extents),
    ...factors.flatMap(({ mode, share, slice }, k) => {
      const fixed = mode === 'seeded' || slice || (share !== 'site' && share !== 'group');
      return fixed ? operands[k]! : [];
    }),
  ]);
  const shared = new Set(factors.flatMap(({ share }, k) => (share === 'group' ? operands[k]! : [])));
  const symbols = new Map<string, Map<string, string>>();
  for (const site of row.sites) {
    for (const [k, name] of factorNames(row, site).entries()) {
      const own = symbols.get(name) ?? new Map<string, string>();
      symbols.set(name, own);
      for (const letter of operands[k]!) {
        if (bound.has(letter)) continue;
        own.set(letter, `rank_${letter}_${shared.has(letter) ? site.group : site.id}`);
      }
    }
  }
  return symbols;
}
