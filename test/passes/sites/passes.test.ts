import { expect, test } from 'vitest';
import { LORA } from '../../../src/adapter/methods/lora.js';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import type { Diagnostic } from '../../../src/ir/diagnostics.js';
import type { PassContext } from '../../../src/passes/pass.js';
import { parsePipeline, runPipeline } from '../../../src/passes/pipeline.js';
import { readPlan } from '../../../src/passes/plan/plan.js';
import { resolveNames, takeLinears } from '../../../src/passes/resolve-names.js';
import { selectSitesPass } from '../../../src/passes/select-sites.js';
import { Net, weight } from './build.js';

const passes = [resolveNames, selectSitesPass];

/** Query and key of two layers, then a head. */
function net(): Net {
  const built = new Net(6);
  let x = built.x;
  for (const layer of [0, 1]) {
    const q = built.linear(x, `h.${layer}.q`, weight(2 * layer + 1, 6, 6));
    x = built.linear(q, `h.${layer}.k`, weight(2 * layer + 2, 6, 6));
  }
  return built.output(built.linear(x, 'head', weight(9, 6, 5)));
}

test('options of select-sites parse and print', () => {
  const text =
    'select-sites{method=lora,rank=3,scale=0.5,target=["h.0.q","(q|k)$"],exclude=["glob:*.1.k"],layers="0-1,1",' +
    'rank-pattern=["k=2"],share=block=2,carry=inputs,lowering=token,seed=5,tie=initializer}';
  const pipeline = parsePipeline(text.replace('share=block=2', 'share="block=2"'), passes);
  expect(parsePipeline(pipeline.toString(), passes).toString()).toBe(pipeline.toString());
  const { model } = net();
  runPipeline(pipeline, model);
  const [row] = readPlan(model)!.plans;
  expect(row).toMatchObject({ carry: 'inputs', lowering: 'token', seed: 5, share: 'block=2' });
  expect(row!.spec).toEqual({ ...LORA, scale: 0.5 });
  expect(row!.groups.map(({ id, rank }) => [id, rank])).toEqual([
    ['block0/6x6', 3],
    ['block0/6x6/r2', 2],
  ]);
  expect(row!.sites.map(({ id }) => id)).toEqual(['h.0.q', 'h.0.k', 'h.1.q']);
});

test('a description of an adapter may replace the method', () => {
  const frozen = {
    ...LOTR,
    method: 'core-only',
    factors: LOTR.factors.map((f) => ({ ...f, mode: 'frozen' as const })),
  };
  const pass = selectSitesPass({ method: frozen, rank: 2, target: ['q'] });
  const pipeline = parsePipeline(pass.text, passes);
  const { model } = net();
  runPipeline(pipeline, model);
  expect(readPlan(model)!.plans[0]!.spec).toEqual(frozen);
  expect(readPlan(model)!.plans[0]!.groups[0]!.factors).toEqual({
    R: 'core-only/6x6/R',
    L: 'core-only/6x6/L',
  });
});

test.each([
  'select-sites{method=dorra}',
  'select-sites{rank=two}',
  'select-sites{share=block=0}',
  'select-sites{carry=outputs}',
  'select-sites{ranks=2}',
])('%s is refused', (text) => expect(() => parsePipeline(text, passes)).toThrow('LOTR4002'));

test('remarks come out of the pipeline', () => {
  const found: readonly Diagnostic[] = runPipeline(
    parsePipeline('select-sites{rank=2,target=head}', passes),
    net().model,
  );
  expect(found.map(({ code }) => code)).toEqual(['LOTR3021']);
});

test('found layers are used once, for the same model, tie and graph', () => {
  const ctx: PassContext = { notes: new Map(), report: () => {}, stat: () => {} };
  const { model, graph } = net();
  const run = () => resolveNames({}).run(model, ctx);
  expect(run()).toBe('unchanged');
  expect(takeLinears(model, 'content', ctx)!.sites).toHaveLength(5);
  expect(takeLinears(model, 'content', ctx)).toBeUndefined();
  run();
  expect(takeLinears(model, 'initializer', ctx)).toBeUndefined();
  run();
  expect(takeLinears(net().model, 'content', ctx)).toBeUndefined();
  run();
  graph.nodes.first!.setInput(1, graph.addInitializer('other', weight(77, 6, 6)));
  expect(takeLinears(model, 'content', ctx)).toBeUndefined();
});
