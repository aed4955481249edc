import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ts } from 'ts-morph';
import { afterAll, describe, expect, test } from 'vitest';
import { LOTR } from '../../../src/adapter/methods/lotr.js';
import { PLAN_KEY, type PlanRow } from '../../../src/adapter/saved-plan.js';
import { stepOptimizer } from '../../../src/backends/host/shared/optimizer.js';
import { torchText } from '../../../src/backends/host/torch/torch.js';
import { modelModule } from '../../../src/backends/host/webgpu/segments/module.js';
import { contract } from '../../../src/backends/kernel/model/contract.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { parseModel } from '../../../src/ir/text/index.js';
import { requirePlan } from '../../../src/passes/plan/plan.js';
import { rewrite } from '../../../src/rewrite.js';
import { profile } from '../../support/devices.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-agreement-'));
afterAll(() => rmSync(folder, { recursive: true }));

const model = parseModel(`<ir_version: 9, opset_import: ["" : 17]>
g (float[n, 3] x) => (float[n, 4] y)
< float[3,2] "a.weight" = {0.5, 1, 1.5, 2, 2.5, 3}, float[2,4] "b.weight" = {1, 2, 3, 4, 5, 6, 7, 8} >
{
  ["/a/MatMul"] h = MatMul (x, "a.weight")
  ["/b/MatMul"] y = MatMul (h, "b.weight")
}`);
rewrite(model, { spec: LOTR, rank: 2, targets: ['a', 'b'] });
const { plans } = requirePlan(model, 'test');
const row = plans[0]!;
const layers = contract(model);

/** A plan with its row changed. */
const changed = (change: (plan: { -readonly [key in keyof PlanRow]: PlanRow[key] }) => void): string => {
  const own = structuredClone(row);
  change(own);
  return JSON.stringify({ version: 1, plans: [own] });
};
const spec = (more: object) => changed((own) => Object.assign(own.spec, more));

/** What a file says of itself, and in what it is another than the model's; null: it is none other. */
const FILES: Readonly<Record<string, readonly [plan: string, others: string | null]>> = {
  same: [JSON.stringify({ version: 1, plans }), null],
  // what has nothing to do with the numbers of factors
  'lowered otherwise': [changed((own) => Object.assign(own, { lowering: 'token', carry: 'constant' })), null],
  'of other layers': [changed((own) => Object.assign(own, { sites: [] })), null],
  method: [spec({ delta: 'ir,ro->io' }), 'method'],
  scale: [spec({ scale: 0.38 }), 'scale'],
  scaling: [spec({ scaling: 'none' }), 'scale'],
  seed: [changed((own) => Object.assign(own, { seed: 7 })), 'seed'],
  'rank of the second group': [changed((own) => Object.assign(own.groups[1]!, { rank: 3 })), 'rank'],
  'a group less': [changed((own) => Object.assign(own, { groups: own.groups.slice(1) })), 'rank'],
  two: [changed((own) => Object.assign(own, { seed: 7, groups: [] })), 'rank and seed'],
  'another row': [JSON.stringify({ plans: [row, row] }), 'method and rank and scale and seed'],
  'no seed': [changed((own) => Object.assign(own, { seed: undefined })), 'seed'],
  'no plan': ['{}', 'method and rank and scale and seed'],
  'no JSON': ['', 'method and rank and scale and seed'],
};

/** What a refusal says: the others, or null where only a factor is missing, as in all of these files. */
function othersIn(message: string): string | null {
  if (/has no factor/.test(message)) return null;
  return /has another ([\w ]+) than the (?:model|adapters of this library): convert/.exec(message)![1]!;
}

const wanted = Object.fromEntries(Object.entries(FILES).map(([name, [, others]]) => [name, others]));

describe('an adapter file of another model is refused, and with what is other', () => {
  test('by the module for browsers', async () => {
    const device = profile('webgpu-laptop', 'webgpu');
    const text = modelModule({
      plan: choose(layers, { device, tokens: 5, purpose: 'serve' }),
      ...{ weightsPath: 'weights', inputs: [], outputs: [], rows: [] },
    });
    const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    writeFileSync(join(folder, 'model.mjs'), ts.transpile(text, target).replace('./index.js', './index.mjs'));
    writeFileSync(
      join(folder, 'index.mjs'),
      `const nothing = () => undefined;
export const [BUFFERS, FACTORS, WEIGHTS, REGIONS] = [{}, {}, {}, []];
export const createAdapters = async () => ({ setWeights: nothing, setAdapter: nothing, destroy: nothing });`,
    );
    const { openModel } = await import(pathToFileURL(join(folder, 'model.mjs')).href);
    const fileOf = (plan: string): Uint8Array => {
      const header = Buffer.from(JSON.stringify({ __metadata__: { [PLAN_KEY]: plan } }));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header]);
    };
    const opened = await openModel({ ort: {}, device: {}, read: async () => fileOf('') });
    const others = Object.entries(FILES).map(([name, [plan]]) => {
      try {
        opened.use(fileOf(plan));
      } catch (error) {
        return [name, othersIn((error as Error).message)];
      }
      return [name, 'nothing is refused'];
    });
    expect(Object.fromEntries(others)).toEqual(wanted);
  });

  // of PyTorch only the names are needed
  const python = spawnSync('python3', ['--version']).status === 0;
  test.skipIf(!python && process.env.CI !== 'true')('by the PyTorch module', () => {
    const plan = choose(layers, { device: profile('h100', 'cuda'), tokens: 5, purpose: 'train' });
    writeFileSync(join(folder, 'adapters_torch.py'), torchText(plan, stepOptimizer('adamw')));
    const program = `
import contextlib, json, sys, types
from unittest.mock import MagicMock
torch = sys.modules["torch"] = MagicMock()
torch.nn.Module = torch.autograd.Function = object
plans, said = json.load(sys.stdin), {}
class File:
    def __init__(self, plan):
        self.plan = plan
    def metadata(self):
        return {"${PLAN_KEY}": self.plan}
    def keys(self):
        return []
sys.modules["safetensors"] = types.SimpleNamespace(safe_open=lambda name, framework: contextlib.nullcontext(File(plans[name])))
import adapters_torch
for name in plans:
    try:
        adapters_torch.Adapters.load(None, name)
    except (KeyError, ValueError) as error:
        said[name] = error.args[0]
json.dump(said, sys.stdout)
`;
    const input = JSON.stringify(
      Object.fromEntries(Object.entries(FILES).map(([name, [plan]]) => [name, plan])),
    );
    const { stdout, stderr } = spawnSync('python3', ['-c', program], {
      cwd: folder,
      input,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const said = Object.entries(JSON.parse(stdout) as Readonly<Record<string, string>>);
    expect(Object.fromEntries(said.map(([name, message]) => [name, othersIn(message)]))).toEqual(wanted);
  });
});
