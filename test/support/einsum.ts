/** An array in float64, row by row. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Sums the product of the arguments over all letters that the result lacks, point by point, in float64. */
export function einsum(spec: string, args: readonly Tensor[], scale = 1): Tensor {
  const [left, right] = spec.split('->') as [string, string];
  const operands = left.split(',');
  const extent = new Map<string, number>();
  operands.forEach((letters, a) => {
    [...letters].forEach((letter, axis) => {
      const own = args[a]!.shape[axis]!;
      if ((extent.get(letter) ?? own) !== own) throw new Error(`${letter} of ${spec} is ${own} and another`);
      extent.set(letter, own);
    });
  });
  const all = [...extent.keys()];
  const shape = [...right].map((letter) => extent.get(letter)!);
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  /** elements by which each letter of `all` moves in an operand */
  const strides = (letters: string) =>
    all.map((letter) => {
      const at = letters.indexOf(letter);
      return at < 0 ? 0 : [...letters.slice(at + 1)].reduce((n, inner) => n * extent.get(inner)!, 1);
    });
  const moves = [...operands, right].map(strides);
  const lengths = all.map((letter) => extent.get(letter)!);
  const points = lengths.reduce((a, b) => a * b, 1);
  const at = lengths.map(() => 0);
  const offsets = moves.map(() => 0);
  for (let point = 0; point < points; point++) {
    let value = scale;
    for (let a = 0; a < args.length; a++) value *= args[a]!.data[offsets[a]!]!;
    data[offsets[args.length]!]! += value;
    // the next point: the last letter moves first
    for (let depth = all.length - 1; depth >= 0; depth--) {
      const whole = ++at[depth]! === lengths[depth];
      if (whole) at[depth] = 0;
      for (let a = 0; a < moves.length; a++)
        offsets[a]! += moves[a]![depth]! * (whole ? 1 - lengths[depth]! : 1);
      if (!whole) break;
    }
  }
  return { shape, data };
}

/** The same of many operands, one after another from the left: a letter goes as soon as nothing needs it. */
export function inTurn(spec: string, args: readonly Tensor[], scale = 1): Tensor {
  const [left, result] = spec.split('->') as [string, string];
  const [first, ...others] = left.split(',') as [string, ...string[]];
  let letters = first;
  let value = einsum(`${first}->${first}`, [args[0]!], scale);
  for (const [k, next] of others.entries()) {
    const later = others.slice(k + 1).join('') + result;
    const kept = [...new Set(letters + next)].filter((letter) => later.includes(letter)).join('');
    value = einsum(`${letters},${next}->${kept}`, [value, args[k + 1]!]);
    letters = kept;
  }
  return einsum(`${letters}->${result}`, [value]);
}

/** The part of an array that begins where it begins, with that shape. */
export function leading(whole: Tensor, shape: readonly number[]): Tensor {
  const part = { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
  eachPlace(whole.shape, shape, (from, to) => {
    part.data[to] = whole.data[from]!;
  });
  return part;
}

/** An array of that shape with a part where it begins, and zeros. */
export function within(part: Tensor, shape: readonly number[]): Tensor {
  const whole = { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
  eachPlace(shape, part.shape, (to, from) => {
    whole.data[to] = part.data[from]!;
  });
  return whole;
}

function eachPlace(
  whole: readonly number[],
  part: readonly number[],
  visit: (whole: number, part: number) => void,
): void {
  const size = part.reduce((a, b) => a * b, 1);
  for (let k = 0; k < size; k++) {
    let [rest, at, below] = [k, 0, 1];
    for (let axis = part.length - 1; axis >= 0; axis--) {
      at += (rest % part[axis]!) * below;
      rest = Math.floor(rest / part[axis]!);
      below *= whole[axis]!;
    }
    visit(at, k);
  }
}
