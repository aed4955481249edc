import { describe, expect, test } from 'vitest';
import { type Attr, attrFloat, attrInt, attrString } from '../../../src/ir/attr.js';
import { Graph, Model } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { asProduct } from '../../../src/passes/unpack/einsum.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { addTo, checkAdapted } from '../../support/adapted.js';
import { floats } from '../../support/layers.js';
import { f32 } from '../../support/ort.js';

function model(
  op: string,
  domain: string,
  shapes: { readonly x: readonly number[]; readonly w: readonly number[]; readonly b?: number },
  attrs: Readonly<Record<string, Attr>>,
  weightFirst = false,
): Model {
  const graph = new Graph('main');
  const made = new Model(graph);
  made.setOpset('', 17);
  made.setOpset('com.microsoft', 1);
  made.setIrVersion(8);
  const x = graph.addInput('x', tensorType('f32', shapes.x));
  const w = graph.addInitializer('fc.weight', floats('f32', shapes.w, 3));
  const b = shapes.b ? [graph.addInitializer('fc.bias', floats('f32', [shapes.b], 4))] : [];
  const inputs = weightFirst ? [w, x] : [x, w, ...b];
  const node = graph.append({ op, domain, name: 'fc', inputs, outputs: ['y'], attrs: Object.entries(attrs) });
  graph.addOutput(node.outputs[0]!);
  return made;
}

describe('com.microsoft FusedGemm', () => {
  const act = (name: string, alpha?: number): Record<string, Attr> => ({
    activation: attrString(name),
    ...(alpha === undefined ? {} : { activation_alpha: attrFloat(alpha) }),
  });
  const cases: readonly (readonly [string, Record<string, Attr>])[] = [
    ['Relu', act('Relu')],
    ['Tanh', { ...act('Tanh'), alpha: attrFloat(0.5), beta: attrFloat(2) }],
    ['LeakyRelu', act('LeakyRelu', 0.2)],
    ['Sigmoid, transB', { ...act('Sigmoid'), transB: attrInt(1) }],
  ];

  test.each(cases)('%s: the adapter comes before the activation', async (_name, attrs) => {
    const turned = 'transB' in attrs;
    const alpha = attrs.alpha?.kind === 'float' ? attrs.alpha.value : 1;
    const sites = await checkAdapted(
      () => model('FusedGemm', 'com.microsoft', { x: [4, 5], w: turned ? [3, 5] : [5, 3], b: 3 }, attrs),
      { x: f32([4, 5], 8) },
      (base, deltas) =>
        addTo(
          base,
          'fc.weight',
          deltas.get('fc')!.map((v) => v / alpha),
          { turned },
        ),
    );
    expect(sites).toEqual(['fc']);
  });

  test('an activation that lotrc does not know stays', () => {
    const made = model('FusedGemm', 'com.microsoft', { x: [4, 5], w: [5, 3] }, act('Selu'));
    expect(unpackLayers(made).nodes.size).toBe(0);
  });
});

describe('Einsum', () => {
  const cases: readonly (readonly [string, boolean, boolean])[] = [
    ['bsi,io->bso', false, false],
    ['bsi,oi->bso', true, false],
    ['...i, i o -> ...o', false, false],
    ['oi,bsi->bso', true, true],
    ['io,...i->...o', false, true],
  ];

  test.each(cases)('%s is a linear layer', async (equation, turned, first) => {
    const sites = await checkAdapted(
      () =>
        model(
          'Einsum',
          '',
          { x: [2, 4, 5], w: turned ? [3, 5] : [5, 3] },
          { equation: attrString(equation) },
          first,
        ),
      { x: f32([2, 4, 5], 8) },
      (base, deltas) => addTo(base, 'fc.weight', deltas.get('fc')!, { turned }),
    );
    expect(sites).toEqual(['fc']);
  });

  test.each([
    'bsi,io->bos', // the result is turned
    'bis,io->bso', // not the last axis
    'bsi,io->bsio', // nothing is summed
    'bsi,ii->bsi', // the diagonal
    'bsi,ib->bs', // the matrix follows the rows
    'bsi,ihd->bshd', // no matrix
    'bsi,io', // implicit result
    'bbi,io->bbo', // a diagonal of x
    'bsi,io->so', // rows are summed
  ])('%s is not', (equation) => {
    expect(asProduct(equation)).toBeNull();
  });
});
