import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { planFactors } from '../../../src/adapter/plan-factors.js';
import { type InspectReport, inspect, inspectJson } from '../../../src/inspect.js';
import { formatInspect } from '../../../src/inspect-format.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { elementCount } from '../../../src/ir/shape.js';
import { f32Tensor, type TensorData } from '../../../src/ir/tensor.js';
import { carryFactors } from '../../../src/passes/adapters/carry-factors.js';
import { insertAdapters } from '../../../src/passes/adapters/insert.js';
import { lowerAdapters } from '../../../src/passes/adapters/lower.js';
import { shareFactors } from '../../../src/passes/adapters/share-factors.js';
import { toFunctions } from '../../../src/passes/adapters/to-functions.js';
import { parsePipeline, runPipeline } from '../../../src/passes/pipeline.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { resolveNames } from '../../../src/passes/resolve-names.js';
import { selectSitesPass } from '../../../src/passes/select-sites.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { type Oracle, oracles } from '../../support/oracle.js';
import { onnxFiles, sharedDir } from '../../support/shared.js';

/** The oracle's model with the plan that its patterns give, made by the passes. */
function planned({ path, description }: Oracle) {
  const model = readModel(path);
  const targets = description.groups.map(({ pattern }) => pattern);
  const text = `resolve-names,select-sites{rank=4,scale=2,target=${JSON.stringify(targets)},share=target}`;
  const pipeline = parsePipeline(text, [resolveNames, selectSitesPass]);
  expect(pipeline.toString()).toBe(text);
  runPipeline(pipeline, model);
  return model;
}

const all = oracles();

describe.each(all.map((oracle) => [oracle.name, oracle] as const))('%s', (_name, oracle) => {
  const model = planned(oracle);
  const plan = requirePlan(model, 'test');

  test('the patterns select the sites, nodes and weights of the description', () => {
    const expected = oracle.description.groups.map((group) => ({
      in: group.in_features,
      out: group.out_features,
      rank: group.rank,
      scale: group.scale,
      sites: group.sites.map(({ module, nodes }) => ({
        module,
        nodes: nodes.map(({ name, op, weight }) => ({ name, op, weight })),
      })),
    }));
    const [row] = plan.plans;
    const found = row!.groups.map(({ id, in: inn, out, rank }) => ({
      in: inn,
      out,
      rank,
      scale: row!.spec.scale,
      sites: row!.sites
        .filter(({ group }) => group === id)
        .map(({ modulePath, uses }) => ({
          module: modulePath,
          nodes: uses.map(({ node, op, weight }) => ({ name: node, op, weight })),
        })),
    }));
    expect(plan.plans).toHaveLength(1);
    expect(found).toEqual(expected);
  });

  test('every layer has a module path', () => {
    expect(findLinears(readModel(oracle.path)).sites.filter(({ modulePath }) => modulePath === null)).toEqual(
      [],
    );
  });

  const before = inspect(readModel(oracle.path));
  test.each(['fold', 'token', 'function', 'inputs'] as const)(
    '%s: inspect lists the layers of the base',
    (form) => {
      const rewritten = planned(oracle);
      const factors = new Map<string, TensorData>();
      for (const row of plan.plans) {
        for (const { name, shape } of planFactors([row])) {
          factors.set(
            name,
            f32Tensor(
              shape,
              Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i)),
            ),
          );
        }
      }
      insertAdapters(rewritten, factors);
      if (form === 'function') toFunctions(rewritten);
      else {
        lowerAdapters(rewritten, form === 'inputs' ? 'fold' : form);
        shareFactors(rewritten);
      }
      if (form === 'inputs') carryFactors(rewritten, 'inputs');
      const after = inspect(rewritten);
      expect(after.sites).toEqual(before.sites);
      expect(after.groups!.map(({ rank, scale, sites }) => [rank, scale, sites.length])).toEqual(
        oracle.description.groups.map(({ rank, scale, sites }) => [rank, scale, sites.length]),
      );
      for (const group of after.groups!) {
        expect(Object.keys(group.factors)).toEqual(['R', 'L']);
        for (const name of Object.values(group.factors)) expect(rewritten.graph.own(name)).toBeDefined();
      }
    },
  );
});

/** Module paths that both exporters give to one architecture. */
test.each([...new Set(all.map(({ name }) => name.split('.')[0]!))])(
  '%s: both exporters, one set of paths',
  (family) => {
    const members = all.filter(({ name }) => name.startsWith(`${family}.`));
    const paths = members.map(({ path }) =>
      inspect(readModel(path))
        .sites.map(({ module }) => module)
        .sort(),
    );
    for (const each of paths) expect(each).toEqual(paths[0]);
  },
);

const shared = sharedDir();

test.skipIf(!shared)('every file that can be read can be inspected', () => {
  let layers = 0;
  for (const path of onnxFiles(shared!)) {
    let report: InspectReport;
    try {
      report = inspect(readModel(path));
    } catch (error) {
      if (error instanceof LotrcError && /^LOTR1/.test(error.diagnostics[0]!.code)) continue;
      throw new Error(path, { cause: error });
    }
    layers += report.sites.length;
    expect(JSON.parse(inspectJson(report))).toEqual(report);
    expect(formatInspect(report).split('\n').length).toBeGreaterThan(report.sites.length);
  }
  expect(layers).toBeGreaterThan(1000);
});

const structure = shared ? join(shared, 'models', 'structure') : '';

test.skipIf(!shared)('ALBERT: one weight in many nodes is one site', () => {
  const { sites } = findLinears(readModel(join(structure, 'albert_shared_op17.onnx')));
  expect(sites.map(({ id, uses, aliases }) => [id, uses.length, aliases.length])).toEqual([
    ...['attn.q_proj', 'attn.k_proj', 'attn.v_proj', 'attn.o_proj', 'fc1', 'fc2'].map((name) => [
      `layers.0.${name}`,
      4,
      0,
    ]),
    ['cls', 1, 0],
  ]);
});

test.skipIf(!shared)('weights that are absent do not stop planning', () => {
  const { sites } = findLinears(readModel(join(structure, 'albert_xxl_fp16_missing_external.onnx')));
  expect(sites.map(({ uses }) => uses.length)).toEqual([1, 12, 12, 12, 12, 12, 12, 1, 1]);
});
