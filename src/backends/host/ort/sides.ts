import type { FormSide } from '../../../adapter/kernel-form.js';
import { type Letters, operandsOf, type Term } from '../../../adapter/terms.js';
import type { KernelDtype } from '../../kernel/model/types.js';
import { denseStrides, type Lettered } from '../../kernel/plan/lettered.js';
import { type NamedArray, termLaunches } from '../../kernel/plan/term-launches.js';
import {
  castStep,
  type KindLaunch,
  type LayerKind,
  type OperatorTarget,
  type Scratch,
  shapesOf,
  stepOf,
} from './kinds.js';

/** What x, and P = x down, are multiplied by, and what the factors are called on the way there. */

/** What a factor is called in kernels, and in texts. */
interface FactorName {
  readonly operand: string;
  readonly text: string;
}

/** `first` is what x is multiplied by, `last` ends the product; what lies before or between is numbered. */
export function operandNames({ form, delta }: Pick<LayerKind, 'form' | 'delta'>): readonly FactorName[] {
  const { down, up } = form;
  const bare = up.bare !== null;
  const numbered = (name: string, nth: number) => (nth === 0 ? name : `${name}${nth + 1}`);
  return operandsOf({ delta }).map((_, k): FactorName => {
    const [left, right] = [down.operands.indexOf(k), up.operands.indexOf(k)];
    if (k === down.bare) return { operand: 'first', text: bare ? 'A' : 'R' };
    if (left >= 0) return { operand: numbered('left', left), text: numbered('R', left) };
    if (right === up.operands.length - 1) return { operand: 'last', text: bare ? 'B' : 'L' };
    return { operand: numbered('core', right), text: numbered('M', right) };
  });
}

/** C++ expressions of the factors and their gradients, by their names in kernels; factors in float32 also as `wide_...`. */
export const factorOperands = (kind: LayerKind): Readonly<Record<string, string>> =>
  Object.fromEntries(
    operandNames(kind).flatMap(({ operand }, k) => [
      [operand, `factors[${k}]`],
      [`wide_${operand}`, `factors[${k}]`],
      [`d_${operand}`, `dfactors[${k}]`],
    ]),
  );

/** An array without gaps in a buffer of its own. */
export function arrayOf(
  buffer: string,
  letters: Letters,
  { extents }: Pick<LayerKind, 'extents'>,
  dtype: KernelDtype = 'f32',
): Lettered {
  const { strides } = denseStrides(letters, (letter) => extents[letter]!);
  return { buffer, dtype, offset: 0, letters, strides };
}

/** Extents with columns of P as they are stored. */
const asStored = ({ form, extents, own, rank }: LayerKind): Pick<LayerKind, 'extents'> =>
  own < rank ? { extents: { ...extents, [form.inner[0]!]: rank } } : { extents };

/** Factors of a side as terms read them; `prefix`: of their names in kernels. */
export function sideOperands(
  kind: LayerKind,
  { operands, term }: FormSide,
  prefix = '',
): readonly NamedArray[] {
  const names = operandNames(kind);
  return operands.map((k, at) => {
    const { operand, text } = names[k]!;
    return { value: arrayOf(prefix + operand, term.operands[at]!, kind), name: text };
  });
}

/** What steps over factors are made with; `name`: of a launch, from its part. */
export interface Making {
  readonly kind: LayerKind;
  readonly setting: OperatorTarget;
  readonly scratch: Scratch;
  readonly name: (part: string) => string;
}

/** The steps that compute a term of factors and of what follows from them, in float32. */
export function termSteps(
  { kind, setting, scratch, name }: Making,
  term: Term,
  operands: readonly NamedArray[],
  out: Lettered,
  { part, makes, scale }: { readonly part: string; readonly makes: string; readonly scale: number },
): readonly KindLaunch[] {
  const { target } = setting;
  let count = 0;
  const launches = termLaunches(target, {
    term,
    operands,
    out,
    extent: (letter) => kind.extents[letter]!,
    scale,
    accumulate: false,
    name: name(part),
    makes,
    where: '',
    between: (letters) => {
      const buffer = `between_${part}_${++count}`;
      scratch.take(
        buffer,
        letters.reduce((size, letter) => size * kind.extents[letter]!, 1),
      );
      return { value: arrayOf(buffer, letters, kind), name: `V${count}`, launch: name(buffer) };
    },
  });
  return launches.map((launch) => stepOf(launch, setting));
}

/**
 * The steps that leave what x is multiplied by in `first`, in the type of the layer; none where that is a factor as it is. Factors
 * are float32 and so is what is computed of them, which is rounded once at the end.
 */
export function downSteps(making: Making): readonly KindLaunch[] {
  const { kind, setting, scratch, name } = making;
  const { dtype } = setting.target;
  const { down } = kind.form;
  if (down.bare !== null && dtype === 'f32') return [];
  const to = scratch.take('first', kind.in * kind.rank, dtype);
  const apart = kind.own < kind.rank ? { cols: kind.own, pitch: kind.rank } : undefined;
  if (down.bare !== null)
    return [castStep(name('first'), kind.in * kind.own, dtype, `factors[${down.bare}]`, to, apart)];
  const operands = sideOperands(kind, down);
  const out = arrayOf('first', down.term.result, asStored(kind), dtype);
  return termSteps(making, down.term, operands, out, { part: 'first', makes: "R' = ", scale: 1 });
}

/** The same of what P is multiplied by: `up`, or the last factor where {@link upOperand} says so. */
export function upSteps(making: Making): readonly KindLaunch[] {
  const { kind, setting, scratch, name } = making;
  const { dtype } = setting.target;
  const { up } = kind.form;
  if (up.bare !== null && dtype === 'f32') return [];
  const to = scratch.take('up', kind.rank * kind.out, dtype);
  // what follows its rows stays zero
  if (up.bare !== null) return [castStep(name('up'), kind.own * kind.out, dtype, `factors[${up.bare}]`, to)];
  const operands = sideOperands(kind, up, dtype === 'f32' ? '' : 'wide_');
  const out = arrayOf('up', up.term.result, kind, dtype);
  return termSteps(making, up.term, operands, out, { part: 'up', makes: "L' = s ", scale: kind.scale });
}

/** The name in kernels of what P is multiplied by. */
export const upOperand = ({ form }: LayerKind, dtype: KernelDtype): string =>
  form.up.bare !== null && dtype === 'f32' ? 'last' : 'up';

/** Rows and columns of the core of a kind, and its place among the factors. */
export function coreOf({
  form,
  delta,
  extents,
}: LayerKind): { readonly rows: number; readonly cols: number } | null {
  if (form.core === null || form.down.bare === null) return null;
  const [rows, cols] = shapesOf({ delta, extents })[form.core[0]] as [number, number];
  return { rows, cols };
}
