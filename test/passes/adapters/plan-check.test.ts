import { describe, expect, test } from 'vitest';
import type { SavedPlan } from '../../../src/adapter/saved-plan.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { parsePlan } from '../../../src/passes/plan/plan.js';
import { rewrite } from '../../../src/rewrite.js';
import { codeOf } from '../../support/code-of.js';

const TEXT = `<ir_version: 9, opset_import: ["" : 17]>
g (float[n, 2] x) => (float[n, 3] y) <float[2, 3] "a.weight" = {1, 2, 3, 4, 5, 6}> { y = MatMul (x, "a.weight") }`;

/** The plan of a model with one adapted layer, as the JSON of its metadata. */
function json(): string {
  const { plan } = rewrite(parseModel(TEXT), { rank: 2, targets: ['.*'] });
  return JSON.stringify(plan);
}

test('a plan comes back as it was written', () => {
  const plan: SavedPlan = parsePlan(json());
  expect(JSON.stringify(plan)).toBe(json());
});

describe('a plan that anyone may have written is refused, whatever is in it', () => {
  test.each([
    ['no row', /"plans":\[.*\]/, '"plans":[null]'],
    ['an einsum of another kind', '->io"', '->ho"'],
    ['an einsum with fewer operands', 'ir,rs,so->io', 'ir,ro->io'],
    ['a rank that is text', '"rank":2', '"rank":"2"'],
    ['a rank of 0', '"rank":2', '"rank":0'],
    ['a scale that is not a number', '"scale":1', '"scale":null'],
    ['a factor name that objects inherit', '"name":"R"', '"name":7'],
    ['a tensor name that is a list', '"factors":{"R":', '"factors":{"R":["x"],"Q":'],
    ['uses that are not a list', /"uses":\[.*?\]/, '"uses":{}'],
    ['no uses', /"uses":\[.*?\]/, '"uses":[]'],
    ['a use that is a number', /"uses":\[.*?\]/, '"uses":[7]'],
    ['a layout of no kind', '"layout":"io"', '"layout":"ii"'],
    ['an initialisation of no kind', '"init":"zeros"', '"init":{"normal":"1"}'],
    ['a group that is not there', /"group":"[^"]*"/, '"group":"constructor"'],
  ])('%s', (_, from, to) => {
    const text = json().replace(from, to);
    expect(text).not.toBe(json());
    expect(codeOf(() => parsePlan(text))).toBe('LOTR3202');
  });

  test('every value in turn replaced by null, a list, text and a number', () => {
    const plan = JSON.parse(json()) as unknown;
    let refused = 0;
    const visit = (holder: Record<string, unknown>) => {
      for (const [key, held] of Object.entries(holder)) {
        for (const other of [null, [], 'x', -1.5]) {
          holder[key] = other;
          if (codeOf(() => parsePlan(JSON.stringify(plan))) === 'LOTR3202') refused++;
        }
        holder[key] = held;
        if (typeof held === 'object' && held !== null) visit(held as Record<string, unknown>);
      }
    };
    visit(plan as Record<string, unknown>);
    expect(refused).toBeGreaterThan(150);
  });
});
