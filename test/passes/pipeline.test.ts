import { expect, test } from 'vitest';
import { LotrcError } from '../../src/ir/diagnostics.js';
import type { Model } from '../../src/ir/model.js';
import { parseModel } from '../../src/ir/text/index.js';
import { definePass, pipelineOf, runPipeline } from '../../src/passes/pipeline.js';

const make = (): Model =>
  parseModel(
    '<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y) { h = Abs (x) y = Neg (h) }',
    'm',
  );

/** A pass that renames a node, and one that leaves a node without an operator. */
const harmless = definePass<object>({
  name: 'harmless',
  summary: '',
  options: {},
  run(model) {
    [...model.graph.nodes][0]!.rename('first');
    return 'changed';
  },
});
const breaking = definePass<object>({
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
