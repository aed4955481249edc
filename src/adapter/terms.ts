/**
 * An einsum: every operand has one letter per axis, no letter twice. The result is the sum, over the letters that it
 * lacks, of the product of the operands.
 */
export interface Term {
  readonly operands: readonly Letters[];
  readonly result: Letters;
}

export type Letters = readonly string[];

/** The einsum of a delta; `in` and `out` are the two axes of its result, each one letter or, in parentheses, several. */
export interface DeltaTerm extends Term {
  readonly in: Letters;
  readonly out: Letters;
}

/** The operands' letters of a delta, e.g. [['i','r'],['r','s'],['s','o']]. Throws when it is malformed. */
export function operandsOf({ delta }: { readonly delta: string }): readonly Letters[] {
  return deltaTerm(delta).operands;
}

const known = new Map<string, DeltaTerm>();

/** Reads a delta such as `ir,rs,so->io` or `ab,cd->(ac)(bd)`. Throws a plain Error with what is wrong with it. */
export function deltaTerm(delta: string): DeltaTerm {
  const held = known.get(delta) ?? readDelta(delta);
  known.set(delta, held);
  return held;
}

function readDelta(delta: string): DeltaTerm {
  const refuse = (why: string): never => {
    throw new Error(`delta "${delta}" ${why}`);
  };
  const [left, right, ...more] = delta.split('->');
  if (left === undefined || right === undefined || more.length > 0) return refuse('must have one "->"');
  const operands = left.split(',').map((text) => [...text]);
  if (
    !operands.every((letters) => letters.length > 0 && letters.every((letter) => /^[A-Za-z]$/.test(letter)))
  )
    return refuse('must have operands of letters, with commas between them');
  const axes = /^(?:([A-Za-z])|\(([A-Za-z]{2,})\))(?:([A-Za-z])|\(([A-Za-z]{2,})\))$/.exec(right);
  if (!axes) return refuse('must end in "->io"');
  const [inn, out] = [[...(axes[1] ?? axes[2]!)], [...(axes[3] ?? axes[4]!)]];
  const result = [...inn, ...out];
  const both = inn.find((letter) => out.includes(letter));
  if (both !== undefined)
    return refuse(
      `has the letter ${both} in both axes of its result: write a frozen factor of ones on the diagonal`,
    );
  for (const letters of [...operands, result]) {
    const twice = letters.find((letter, k) => letters.indexOf(letter) !== k);
    if (twice !== undefined) return refuse(`has the letter ${twice} twice in "${letters.join('')}"`);
  }
  for (const [k, letters] of operands.entries()) {
    const others = [...operands.filter((_, other) => other !== k), result];
    const alone = letters.find((letter) => !others.some((other) => other.includes(letter)));
    if (alone !== undefined) return refuse(`sums over the letter ${alone} of one factor only`);
  }
  return { operands, in: inn, out, result };
}

/**
 * A delta as the product of a matrix that x is multiplied by and the rest: D = F (rest), F with the letters [i, r] and
 * the rest a term of result [r, o].
 */
export interface DeltaSplit {
  /** index of F among the operands */
  readonly first: number;
  /** indices of the operands of the rest, in order */
  readonly others: readonly number[];
  readonly rest: Term;
}

/**
 * How a delta splits, or null where x meets more than one operand, or none that is a matrix. A delta of one factor has no
 * rest and does not split.
 */
export function splitAtInput({ operands, in: inn, out }: DeltaTerm): DeltaSplit | null {
  const holds = operands.flatMap((letters, k) => (letters.some((letter) => inn.includes(letter)) ? [k] : []));
  const [first] = holds;
  if (first === undefined || holds.length > 1 || inn.length > 1) return null;
  const [i, inner, ...more] = operands[first]!;
  if (i !== inn[0] || inner === undefined || more.length > 0 || out.includes(inner)) return null;
  const others = operands.flatMap((_, k) => (k === first ? [] : [k]));
  return { first, others, rest: { operands: others.map((k) => operands[k]!), result: [inner, ...out] } };
}

/** Whether each operand is a matrix that begins where the one before it ends: i a, a b, ..., z o. */
export function isChain({ operands, in: inn, out }: DeltaTerm): boolean {
  let from: Letters = inn;
  for (const [a, b, ...more] of operands) {
    if (b === undefined || more.length > 0 || from.length > 1 || a !== from[0]) return false;
    from = [b];
  }
  return operands.length > 1 && from.join() === out.join();
}

/** A step of x through the factors: times a matrix, which ends the letter, or times a vector, number by number. */
export interface TokenStep {
  readonly operand: number;
  readonly by: 'matrix' | 'vector';
}

/**
 * x times one factor after another, in their order; null where some factor is neither a matrix that takes what is there
 * nor a vector of it.
 */
export function tokenSteps({ operands, in: inn, out }: DeltaTerm): readonly TokenStep[] | null {
  let at = inn.join();
  const steps: TokenStep[] = [];
  for (const [operand, letters] of operands.entries()) {
    const later = [...operands.slice(operand + 1).flat(), ...out].includes(at);
    const [from, to, ...more] = letters;
    if (from !== at || more.length > 0 || later !== (to === undefined)) return null;
    steps.push({ operand, by: to === undefined ? 'vector' : 'matrix' });
    at = to ?? at;
  }
  return at === out.join() ? steps : null;
}

/** Whether two deltas are one einsum, whatever their letters are called. */
export function sameTerm(a: string, b: string): boolean {
  return numbered(deltaTerm(a)) === numbered(deltaTerm(b));
}

function numbered({ operands, in: inn, out }: DeltaTerm): string {
  const numbers = new Map<string, number>();
  const number = (letter: string): number => {
    const held = numbers.get(letter) ?? numbers.size;
    numbers.set(letter, held);
    return held;
  };
  return [...operands, inn, out].map((letters) => letters.map(number).join(' ')).join('|');
}

/** Whether the two axes of the result are letters of operands: nothing is repeated and no axis is split. */
export function spansResult({ operands, in: inn, out }: DeltaTerm): boolean {
  const held = operands.flat();
  return [inn, out].every((letters) => letters.length === 1 && held.includes(letters[0]!));
}
