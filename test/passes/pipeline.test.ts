import { expect, test } from 'vitest';
import { LotrcError } from '../../src/ir/diagnostics.js';
import type { Model } from '../../src/ir/model.js';
import { parseModel } from '../../src/ir/text/index.js';
import { lowerPass } from '../../src/passes/adapters/passes.js';
import { definePass, PassRunner, pipelineOf, runPipeline } from '../../src/passes/pipeline.js';
import { selectSitesPass } from '../../src/passes/select-sites.js';

const make = (): Model =>
  parseModel(
    '<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y) { h = Abs (x) y = Neg (h) }',
    'm',
  );

/** A pass that renames a node, and one that leaves a node without an operator. */
const harmless = definePass({
  name: 'harmless',
  summary: '',
  options: {},
  run(model) {
    [...model.graph.nodes][0]!.rename('first');
    return 'changed';
  },
});
const breaking = definePass({
  name: 'breaking',
  summary: '',
  options: {},
  run(model) {
    model.graph.append({ op: '', inputs: [], outputs: ['z'] });
    return 'changed';
  },
});

test('verified at the ends alone, a model that a pass breaks is still laid to that pass', () => {
  const failures: string[] = [];
  const hooks = [
    {
      onFailure: (rest: string) => {
        failures.push(rest);
        return null;
      },
    },
  ];
  const pipeline = pipelineOf([harmless(), breaking(), harmless()]);
  const run = (options: object) => {
    try {
      runPipeline(pipeline, make(), { hooks, ...options });
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      return error.diagnostics.map(({ code }) => code);
    }
    return [];
  };
  const each = run({});
  expect(each).toEqual(['LOTR2008']);
  expect(run({ verifyEach: false, reload: make })).toEqual(each);
  expect(failures).toEqual(['breaking,harmless', 'breaking,harmless']);
  expect(run({ verifyEach: false })).toEqual(each);
  expect(failures.length).toBe(2);
});

test('a pass that needs another one first says which, and one that breaks its promise is internal', () => {
  const codesOf = (passes: Parameters<typeof pipelineOf>[0]) => {
    try {
      runPipeline(pipelineOf(passes), make());
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      return error.diagnostics.map(({ code, message, hint }) => `${code} ${message} | ${hint}`);
    }
    return [];
  };
  const named = { summary: '', options: {} };
  const needs = definePass({ ...named, name: 'needs', requires: ['raised'], run: () => 'unchanged' });
  const promises = definePass({
    ...named,
    name: 'promises',
    ensures: ['planned'],
    run: () => 'changed',
  });
  expect(codesOf([needs()])).toEqual([
    'LOTR4003 pass "needs": no adapted layer is a lotrc::LoTRLinear | run insert-adapters or raise-adapters before it',
  ]);
  expect(codesOf([promises()])[0]).toContain(
    'LOTR9001 pass "promises" failed: promises leaves a model of which',
  );
  expect(codesOf([lowerPass()])[0]).toContain('LOTR4003');
});

test('a step of a job is watched, verified and named as a pass is', () => {
  const seen: string[] = [];
  const job = new PassRunner(
    { hooks: [{ afterPass: ({ of, pass }) => seen.push(`${of}: ${pass}`), onFailure: () => '/report' }] },
    'grad.onnx',
  );
  const model = make();
  expect(job.step('harmless', model, () => 7)).toBe(7);
  const bad = () => job.step('breaking', model, () => breaking().run(model, null as never));
  expect(bad).toThrow(LotrcError);
  const crash = () => job.step('crash', make(), () => JSON.parse('{') as unknown);
  expect(crash).toThrow(/LOTR9001: pass "crash" failed/);
  expect(seen).toEqual(['grad.onnx: harmless']);
});

test('options of a pass print what they parse, without those at their defaults; others are refused', () => {
  const given = 'rank=4,target=["q","glob:a,{b}"],scale=0.5,share="block=2",without-data=true';
  expect(selectSitesPass.parse(given).text).toBe(
    'select-sites{rank=4,scale=0.5,target=["q","glob:a,{b}"],share="block=2",without-data=true}',
  );
  expect(selectSitesPass.parse('rank=8,target=all-linear,exclude=[],method=lotr').text).toBe('select-sites');
  expect(selectSitesPass({ rank: 4, target: ['q'] }).text).toBe('select-sites{rank=4,target=["q"]}');
  for (const wrong of [
    'rank=-1',
    'carry=both',
    'without-data=maybe',
    'target=[1]',
    'share=block',
    'scale=1e39',
  ])
    expect(() => selectSitesPass.parse(wrong), wrong).toThrow(/^option [\w-]+ takes /);
});
