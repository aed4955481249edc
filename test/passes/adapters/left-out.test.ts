import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PLAN_KEY } from '../../../src/adapter/saved-plan.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { lotrc } from '../../support/cli.js';
import { noise } from '../../support/ort.js';

test.each(['merge', 'strip'] as const)(
  '%s: a layer that the plan leaves out still calls its function, in a model that loads',
  async (command) => {
    const folder = mkdtempSync(join(tmpdir(), 'lotrc-left-out-'));
    const at = (name: string) => join(folder, name);
    const weight = (name: string, i: number) => `float[4, 4] ${name} = {${noise(16, i).join(', ')}}`;
    const base = parseModel(
      `<ir_version: 9, opset_import: ["" : 17]>\ng (float[n, 4] x) => (float[n, 4] z) <${weight('v', 1)}, ${weight('w', 2)}> { ["/a/MatMul"] y = MatMul (x, v) ["/b/MatMul"] z = MatMul (y, w) }`,
    );
    writeModel(base, at('base.onnx'));
    const lines = [
      [
        'rewrite',
        at('base.onnx'),
        '--rank',
        '2',
        '--target',
        '.*',
        '--keep-functions',
        '-o',
        at('kept.onnx'),
      ],
    ];
    for (const line of lines) expect((await lotrc(...line)).code).toBe(0);
    const model = readModel(at('kept.onnx'));
    const plan = JSON.parse(model.metadata.get(PLAN_KEY)!) as { plans: { sites: unknown[] }[] };
    plan.plans[0]!.sites.pop();
    model.setMetadata(PLAN_KEY, JSON.stringify(plan));
    writeModel(model, at('left-out.onnx'));
    expect((await lotrc(command, at('left-out.onnx'), '-o', at('out.onnx'))).code).toBe(0);
    expect([...readModel(at('out.onnx')).graph.nodes].map(({ domain }) => domain)).toContain('lotrc');
    const { code, out } = await lotrc('verify', at('base.onnx'), at('out.onnx'));
    expect([code, out]).toEqual([0, expect.stringMatching(/^z .* 0 +0$/m)]);
    rmSync(folder, { recursive: true });
  },
);
