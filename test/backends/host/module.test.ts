import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Project, SyntaxKind } from 'ts-morph';
import { beforeAll, describe, expect, test } from 'vitest';
import { placesOf } from '../../../src/backends/host/shared/tables.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import type { OptimizerKind } from '../../../src/train/optimizers/index.js';
import { diagnosticsOf, loadModule } from '../../support/host-module.js';
import { hostPlans } from '../../support/host-plans.js';

/** Plans whose modules are for another optimizer than AdamW. */
const OPTIMIZER_OF: Readonly<Record<string, OptimizerKind>> = {
  'train, lotr, merged weights': 'lion',
  'train, lora': 'sgd',
};

/** index.ts of every kind of plan and optimizer, in a folder of its own. */
const modules: Record<string, string> = {};
const folderOf = (kind: string) => kind.replace(/\W+/g, '-');

beforeAll(() => {
  for (const [kind, plan] of Object.entries(hostPlans()))
    modules[kind] = webgpuHost(plan, OPTIMIZER_OF[kind])[0]!.text;
}, 300_000);

/** The use that is shown above createAdapters, as a program of its own. */
function exampleOf(text: string): string {
  const file = new Project({ useInMemoryFileSystem: true }).createSourceFile('index.ts', text);
  const [about] = file.getFunctionOrThrow('createAdapters').getJsDocs();
  const example = about!.getTags().find((tag) => tag.getTagName() === 'example');
  return `import { createAdapters, type FactorName, requirements, type TensorData, type WeightName } from './index.js';
declare const adapter: GPUAdapter;
declare const weights: TensorData<WeightName>;
declare const factors: TensorData<FactorName>;
declare const x: Float32Array<ArrayBuffer>;
${text.includes('dy_0') ? 'declare const dy: Float32Array<ArrayBuffer>;' : ''}
${example!.getCommentText()}
export { y };
`;
}

/** Lines that must not compile next to a module, and what TypeScript says of each. */
const WRONG: Readonly<Record<string, readonly (readonly [line: string, says: RegExp])[]>> = {
  'train, lotr, sums in parts': [
    ["host.write('x_9', data);", /"x_9"' is not assignable/],
    ["host.write('X_0', data);", /"X_0"' is not assignable/],
    ["await host.read('q.weight');", /"q.weight"' is not assignable/],
    ["host.write('x_0', [1, 2, 3]);", /'number\[\]' is not assignable/],
    ['host.forward(2);', /'2' is not assignable to parameter of type '0 \| 1'/],
    ['host.backward(-1);', /'-1' is not assignable/],
    ['host.forward(0 as number);', /'number' is not assignable to parameter of type '0 \| 1'/],
    [
      "host.setAdapter({ 'lotr/17x11/R': data, 'lotr/nobody/R': data });",
      /'lotr\/nobody\/R'' does not exist/,
    ],
    ["host.setAdapter({ 'q.weight': data });", /'q.weight'' does not exist/],
    ["host.setWeights({ 'lotr/17x11/R': data });", /'lotr\/17x11\/R'' does not exist/],
    ['host.setAdapter({}, 1);', /Expected 1 arguments, but got 2/],
    ['host.step({ beta1: 0.9 });', /'learningRate' is missing/],
    ['host.step({ learningRate: 1, momentum: 1 });', /'momentum' does not exist/],
    ['host.merge();', /'merge' does not exist/],
    ['host.setRows([0]);', /'setRows' does not exist/],
    ['host.tokens = 3;', /read-only/],
    ['host.buffers.x_9.destroy();', /'x_9' does not exist/],
    ["sizeOf('x_9', 3);", /"x_9"' is not assignable/],
    ['await createAdapters(device, { token: 3 });', /'token' does not exist/],
    ['const kernel: KernelName = "nobody";', /"nobody"' is not assignable/],
    ["const code: string = KERNELS['nobody'].code;", /'nobody'/],
  ],
  'train, lotr, merged weights': [
    ['host.step({ learningRate: 1, epsilon: 1 });', /'epsilon' does not exist/],
  ],
  'train, lora': [["host.step({ learningRate: '1', momentum: 0 });", /'string' is not assignable/]],
  'serve, three adapters, lotr': [
    ['host.backward(0);', /'backward' does not exist/],
    ['host.step({ learningRate: 1 });', /'step' does not exist/],
    ["host.write('rowAdapter', data);", /"rowAdapter"' is not assignable/],
    ["await host.read('rowAdapter');", /"rowAdapter"' is not assignable/],
    ["host.setRows(['0']);", /'string' is not assignable/],
    ["host.setAdapter({}, '1');", /'string' is not assignable/],
    ['host.setAdapter({}, 1, { rank: 2 });', /Expected 1-2 arguments, but got 3/],
  ],
  'serve, rows with adapters, lotr': [
    ["host.write('ranks_0', data);", /"ranks_0"' is not assignable/],
    ["await host.read('rowAdapter');", /"rowAdapter"' is not assignable/],
    ["host.setRows(['0']);", /'string' is not assignable/],
    ['host.setAdapter({}, 1, { ranks: 2 });', /'ranks' does not exist/],
    ["host.setAdapter({ 'lotr/nobody/R': data });", /'lotr\/nobody\/R'' does not exist/],
  ],
};

/** What a user may do, by kind of plan. */
const RIGHT: Readonly<Record<string, string>> = {
  'train, lotr, sums in parts': `
for (const { index, x, y, dy } of REGIONS) {
  host.write(x, data);
  host.forward(index);
  for (const name of [...y, ...dy]) host.write(name, await host.read(name));
  host.backward(index);
}
const loaded: Record<string, Float32Array<ArrayBuffer>> = {};
host.setAdapter(loaded);
host.setWeights(loaded);
const kernel: KernelName = 'down_0';
const place: Place = FACTORS['lotr/17x11/L'][0];
const need: GPUDeviceDescriptor = requirements(7);
const { forward, write } = host;
const all: Adapters = host;
console.log(kernel, place.offset + sizeOf(place.buffer, 7), need, forward, write, all, missing(device), KERNELS[kernel].code);
`,
  'train, lotr, merged weights': 'host.step({ learningRate: 1, beta1: 0.9, beta2: 0.5, weightDecay: 0 });',
  'train, lora': `
const numbers: SGD = { learningRate: 1, momentum: 0, weightDecay: 0 };
host.step(numbers);
`,
  'serve, three adapters, lotr': `
host.setAdapter({}, ADAPTERS - 1);
host.setRows(Array.from({ length: Math.ceil(host.tokens / ROW_BLOCK) }, () => 0));
host.buffers.rowAdapter.destroy();
`,
  'serve, rows with adapters, lotr': `
host.setAdapter({ 'lotr/17x11/R': data }, ADAPTERS - 1, { rank: MAX_RANK, scale: 0.5 });
host.setRows(Array.from({ length: host.tokens }, (_, row) => (row % 2 === 0 ? row % ADAPTERS : null)));
const place: RowPlace = ROW_FACTORS['lotr/17x11/L'][0];
const group: Group = GROUPS[0];
console.log(group.scale, place.first, NO_ADAPTER);
`,
};

const program = (text: string, lines: string): string => {
  const names = [...text.matchAll(/^export (?:async )?(?:const|function|type|interface) (\w+)/gm)].map(
    ([, name]) => name!,
  );
  const used = names.filter((name) => name === 'createAdapters' || new RegExp(`\\b${name}\\b`).test(lines));
  const types = new Set([...text.matchAll(/^export (?:type|interface) (\w+)/gm)].map(([, name]) => name!));
  const imported = used.map((name) => (types.has(name) ? `type ${name}` : name)).join(', ');
  return `import { ${imported} } from './index.js';
export async function use(device: GPUDevice, data: Float32Array<ArrayBuffer>): Promise<void> {
  const host = await createAdapters(device, { tokens: 7 });
  ${lines}
  console.log(data, host);
}
`;
};

/** The program that docs/kernels-webgpu.md shows. */
function documented(): string {
  const docs = readFileSync(join(import.meta.dirname, '../../../docs/kernels-webgpu.md'), 'utf8');
  const [, shown] = /```ts\n([\s\S]*?)```/.exec(docs)!;
  return `${shown!.replace('./gpu/index.js', './index.js')}
declare const adapter: GPUAdapter;
declare const weights: Record<string, Float32Array<ArrayBuffer>>;
declare const factors: Record<string, Float32Array<ArrayBuffer>>;
declare const x: Float32Array<ArrayBuffer>;
declare const dy: Float32Array<ArrayBuffer>;
export { y };
`;
}

describe('an emitted module', () => {
  /** what TypeScript says of all modules and programs, path -> messages */
  let found: Readonly<Record<string, string[]>>;
  const programs = (kind: string): readonly (readonly [path: string, text: string])[] => {
    const [folder, text] = [folderOf(kind), modules[kind]!];
    return [
      [`${folder}/index.ts`, text],
      [`${folder}/example.ts`, exampleOf(text)],
      ...(kind in RIGHT ? [[`${folder}/right.ts`, program(text, RIGHT[kind]!)] as const] : []),
      ...(WRONG[kind] ?? []).map(
        ([line], index) => [`${folder}/wrong-${index}.ts`, program(text, line)] as const,
      ),
    ];
  };
  beforeAll(() => {
    const files = Object.keys(modules).flatMap(programs);
    const shown = [`${folderOf('train, lotr, sums in parts')}/docs.ts`, documented()] as const;
    found = diagnosticsOf(Object.fromEntries([...files, shown]));
    expect(Object.keys(found)).toHaveLength(files.length + 1);
  }, 300_000);

  test('of every kind of plan, its own example and the programs of a user are strict TypeScript', () => {
    const right = Object.entries(found).filter(([path]) => !path.includes('/wrong-'));
    expect(right.length).toBeGreaterThan(2 * Object.keys(modules).length + 2);
    expect(right.filter(([, messages]) => messages.length > 0)).toEqual([]);
  });

  test.each(
    Object.entries(WRONG).flatMap(([kind, lines]) =>
      lines.map(([line, says], index) => [kind, line, says, index] as const),
    ),
  )('for %s: %s does not compile', (kind, _, says, index) => {
    expect(found[`${folderOf(kind)}/wrong-${index}.ts`]!.join('\n')).toMatch(says);
  });

  test('has no `any`, and casts to what nothing else can say only', () => {
    const project = new Project({ useInMemoryFileSystem: true });
    for (const [kind, text] of Object.entries(modules)) {
      const file = project.createSourceFile(`${folderOf(kind)}.ts`, text);
      expect(file.getDescendantsOfKind(SyntaxKind.AnyKeyword), kind).toEqual([]);
      expect(file.getDescendantsOfKind(SyntaxKind.NonNullExpression), kind).toEqual([]);
      const casts = file
        .getDescendantsOfKind(SyntaxKind.AsExpression)
        .map((cast) => cast.getTypeNode()!.getText());
      expect(new Set(casts.filter((type) => type !== 'const')), kind).toEqual(
        new Set([
          'BufferName[]',
          'KernelName[]',
          'keyof GPUSupportedLimits',
          'Record<BufferName, GPUBuffer>',
          'Record<KernelName, Dispatch>',
          ...(kind.startsWith('train') ? ['Record<FactorName, Float32Array<ArrayBuffer>>'] : []),
        ]),
      );
    }
  });

  test('says at each exported name what it is', () => {
    const project = new Project({ useInMemoryFileSystem: true });
    for (const [kind, text] of Object.entries(modules)) {
      const file = project.createSourceFile(`${folderOf(kind)}.ts`, text);
      const exported = [
        ...file.getVariableStatements(),
        ...file.getFunctions(),
        ...file.getInterfaces(),
        ...file.getTypeAliases(),
      ].filter((node) => node.isExported());
      expect(exported.length, kind).toBeGreaterThan(20);
      const silent = exported.filter((node) => node.getJsDocs().length === 0).map((node) => node.getText());
      expect(silent, kind).toEqual([]);
      const methods = file.getInterfaceOrThrow('Adapters').getMembers();
      expect(methods.length, kind).toBeGreaterThan(6);
      expect(
        methods.filter((node) => node.getLeadingCommentRanges().length === 0),
        kind,
      ).toEqual([]);
    }
  });

  test('is laid out as the code of this repository is', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lotrc-format-'));
    try {
      for (const name of ['config', 'modules']) mkdirSync(join(folder, name));
      for (const [kind, text] of Object.entries(modules))
        writeFileSync(join(folder, 'modules', `${folderOf(kind)}.ts`), text);
      const formatter = { indentStyle: 'space', indentWidth: 2, lineWidth: 110 };
      const javascript = { formatter: { quoteStyle: 'single', trailingCommas: 'all' } };
      writeFileSync(join(folder, 'config/biome.json'), JSON.stringify({ formatter, javascript }));
      const biome = join(import.meta.dirname, '../../../node_modules/@biomejs/biome/bin/biome');
      const flags = ['check', '--config-path', join(folder, 'config'), join(folder, 'modules')];
      expect(() => execFileSync(process.execPath, [biome, ...flags], { stdio: 'pipe' })).not.toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('holds any name that a model may have', async () => {
    const plan = hostPlans()['serve, one region']!;
    const odd = (name: string) => `${name}'"*/\`\${x}\\u0041\n// __proto__`;
    const buffers = plan.buffers.map((buffer) => ({
      ...buffer,
      ...(buffer.from ? { from: buffer.from.map(odd) } : {}),
      ...(buffer.value === undefined ? {} : { value: odd(buffer.value) }),
    }));
    const text = webgpuHost({ ...plan, buffers })[0]!.text;
    const names = Object.keys((await loadModule(text)).FACTORS);
    expect(names.length).toBeGreaterThan(1);
    expect(names).toEqual(Object.keys(placesOf(plan.buffers, 'step')).map(odd));
    const file = new Project({ useInMemoryFileSystem: true }).createSourceFile('index.ts', text);
    expect(file.getFunctionOrThrow('createAdapters').isExported()).toBe(true);
  });

  test('is the same each time', () => {
    const [kind] = Object.keys(modules);
    expect(webgpuHost(hostPlans()[kind!]!)[0]!.text).toBe(modules[kind!]);
  });
});
