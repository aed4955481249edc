import { describe, expect, test } from 'vitest';
import { contractionOf } from '../../src/adapter/contraction.js';
import { derivativeBy } from '../../src/adapter/derivative.js';
import {
  deltaTerm,
  isChain,
  sameTerm,
  splitAtInput,
  type Term,
  tokenSteps,
} from '../../src/adapter/terms.js';
import { deltaParts, wholeDelta } from '../../src/adapter/to-numbers/delta.js';
import { evaluateTerm, type Numbers } from '../../src/adapter/to-numbers/term.js';
import { noise } from '../support/ort.js';

/** Different extents throughout, so that no axis fits another one's place. */
const EXTENT: Readonly<Record<string, number>> = {
  i: 7,
  o: 5,
  r: 3,
  s: 2,
  u: 4,
  k: 6,
  j: 8,
  e: 9,
  h: 10,
  a: 2,
  b: 3,
  c: 4,
  d: 5,
  l: 2,
  t: 3,
};
const extent = (letter: string): number => EXTENT[letter]!;

/** The methods of the design, each with its einsum, whether or not they are shipped. */
const DELTAS = [
  'ir,ro->io',
  'ir,rs,so->io',
  'ir,r,ro,o->io',
  'ir,rsk,k,so->io',
  'ir,rs,su,uo->io',
  'ir,r,r,ro->io',
  'ir,er,hr,r,t,t->i(he)',
  'ir,ro,is,so->io',
  'ab,cr,rd->(ac)(bd)',
  'k,kir,l,lro->io',
  'ri,rj,ji,jro->io',
  'jir,jr,jro->io',
  'i,o->io',
  'o->io',
  'i->io',
];

const operandsFor = (term: Term): Numbers[] =>
  term.operands.map((letters, k) => {
    const shape = letters.map(extent);
    return {
      shape,
      data: Float64Array.from(
        noise(
          shape.reduce((x, y) => x * y, 1),
          5 + k,
        ),
      ),
    };
  });

/** A term by its definition: all values of all letters. */
function byDefinition({ operands, result }: Term, values: readonly Numbers[]): Float64Array {
  const letters = [...new Set([...operands.flat(), ...result])];
  const out = new Float64Array(result.map(extent).reduce((x, y) => x * y, 1));
  const at = new Map<string, number>();
  const flat = (own: readonly string[]) =>
    own.reduce((offset, letter) => offset * extent(letter) + at.get(letter)!, 0);
  const walk = (depth: number): void => {
    if (depth === letters.length) {
      out[flat(result)]! += operands.reduce((product, own, k) => product * values[k]!.data[flat(own)]!, 1);
      return;
    }
    for (let v = 0; v < extent(letters[depth]!); v++) {
      at.set(letters[depth]!, v);
      walk(depth + 1);
    }
  };
  walk(0);
  return out;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let k = 0; k < a.length; k++) worst = Math.max(worst, Math.abs(a[k]! - b[k]!));
  return worst;
};

const extents = (term: ReturnType<typeof deltaTerm>) => {
  const of = (letters: readonly string[]) => letters.map(extent).reduce((x, y) => x * y, 1);
  return { in: of(term.in), out: of(term.out) };
};

describe.each(DELTAS)('%s', (delta) => {
  const term = deltaTerm(delta);
  const values = operandsFor(term);
  const right = byDefinition(term, values);

  test('evaluates to its definition, also as two matrices and transposed', () => {
    const whole = wholeDelta(term, values, extents(term));
    expect(largest(whole.data, right)).toBeLessThan(1e-12);
    const { in: rows, out: columns } = extents(term);
    for (const transposed of [false, true]) {
      const { left, right: last } = deltaParts(term, values, transposed, extents(term));
      const product = left
        ? evaluateTerm(
            {
              operands: [
                ['x', 'y'],
                ['y', 'z'],
              ],
              result: ['x', 'z'],
            },
            [left, last],
          ).data
        : last.data;
      const wanted = transposed
        ? Float64Array.from(right, (_, n) => right[(n % rows) * columns + Math.floor(n / rows)]!)
        : right;
      expect(largest(product, wanted)).toBeLessThan(1e-12);
    }
  });

  test('has derivatives by its operands that finite differences give', () => {
    const repeated = [...term.in, ...term.out].filter((letter) => !term.operands.flat().includes(letter));
    if (repeated.length > 0) return;
    const seed = { shape: term.result.map(extent), data: Float64Array.from(noise(right.length, 99)) };
    const loss = (operands: readonly Numbers[]) =>
      evaluateTerm(term, operands).data.reduce((sum, v, n) => sum + v * seed.data[n]!, 0);
    for (const [k, value] of values.entries()) {
      const others = values.filter((_, other) => other !== k);
      const found = evaluateTerm(derivativeBy(term, k), [seed, ...others]);
      expect(found.shape).toEqual(value.shape);
      for (let n = 0; n < value.data.length; n += 5) {
        const moved = (by: number) =>
          loss(
            values.map((each, other) =>
              other === k ? { ...each, data: each.data.with(n, each.data[n]! + by) } : each,
            ),
          );
        // linear in each operand: the difference is exact but for rounding
        expect(Math.abs((moved(1) - moved(-1)) / 2 - found.data[n]!)).toBeLessThan(1e-10);
      }
    }
  });
});

test('the order that is found costs no more than any other', () => {
  const cost = (term: Term): number => {
    if (term.operands.length < 2) return 0;
    let best = Number.POSITIVE_INFINITY;
    for (let a = 0; a < term.operands.length; a++) {
      for (let b = a + 1; b < term.operands.length; b++) {
        const pair = [term.operands[a]!, term.operands[b]!];
        const rest = term.operands.filter((_, k) => k !== a && k !== b);
        const letters = [...new Set(pair.flat())];
        const kept = letters.filter((letter) => [...rest, term.result].some((own) => own.includes(letter)));
        const here = 2 * letters.map(extent).reduce((x, y) => x * y, 1);
        best = Math.min(best, here + cost({ operands: [...rest, kept], result: term.result }));
      }
    }
    return best;
  };
  for (const delta of DELTAS)
    expect(contractionOf(deltaTerm(delta), extent).flops, delta).toBe(cost(deltaTerm(delta)));
});

test('more operands than can be searched are taken from the left', () => {
  const term = deltaTerm('ia,ab,bc,cd,dr,rs,sk,kl,lo->io');
  expect(contractionOf(term, extent).flops).toBeGreaterThan(0);
  const values = operandsFor(term);
  const chain = values.reduce((left, right) =>
    evaluateTerm(
      {
        operands: [
          ['x', 'y'],
          ['y', 'z'],
        ],
        result: ['x', 'z'],
      },
      [left, right],
    ),
  );
  expect(largest(evaluateTerm(term, values).data, chain.data)).toBeLessThan(1e-12);
});

test('which einsums are chains, split at the input, and take x one factor after another', () => {
  const seen = DELTAS.map((delta) => {
    const term = deltaTerm(delta);
    const steps =
      tokenSteps(term)
        ?.map(({ by }) => (by === 'matrix' ? 'm' : 'v'))
        .join('') ?? '-';
    return [delta, isChain(term), splitAtInput(term) !== null, steps].join(' ');
  });
  expect(seen).toEqual([
    'ir,ro->io true true mm',
    'ir,rs,so->io true true mmm',
    'ir,r,ro,o->io false true mvmv',
    'ir,rsk,k,so->io false true -',
    'ir,rs,su,uo->io true true mmmm',
    'ir,r,r,ro->io false true mvvm',
    'ir,er,hr,r,t,t->i(he) false true -',
    'ir,ro,is,so->io false false -',
    'ab,cr,rd->(ac)(bd) false false -',
    'k,kir,l,lro->io false false -',
    'ri,rj,ji,jro->io false false -',
    'jir,jr,jro->io false false -',
    'i,o->io false false -',
    'o->io false false -',
    'i->io false false -',
  ]);
});

test('two deltas are one whatever their letters are called', () => {
  expect(sameTerm('ir,rs,so->io', 'ab,bc,cd->ad')).toBe(true);
  expect(sameTerm('ir,rs,so->io', 'ir,sr,so->io')).toBe(false);
  expect(sameTerm('ir,ro->io', 'ir,rs,so->io')).toBe(false);
});
