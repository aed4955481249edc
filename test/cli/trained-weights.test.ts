import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLAN_KEY, type SavedPlan } from '../../src/adapter/saved-plan.js';
import { readSafetensors, writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { f32Tensor, i64Tensor, MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { toF32, toIntegers } from '../../src/ir/values.js';
import { TransposedTensor } from '../../src/passes/adapters/trained-tensor.js';
import { TrainingRun } from '../../src/train/run.js';
import type { Signature } from '../../src/train/signature.js';
import { done, records, textClassifier } from '../support/classifier.js';
import { lotrc } from '../support/cli.js';
import { maxDifference, noise, relativeError, runOrt, type Tensor } from '../support/ort.js';
import { writeJsonl } from '../support/reading.js';

const root = mkdtempSync(join(tmpdir(), 'lotrc-trained-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (...path: readonly string[]) => join(root, ...path);
const base = at('base.onnx');
const model = at('base.lotr.onnx');
const adapter = at('run', 'run', 'adapter.safetensors');
const [ROWS, SEQ] = [3, 11] as const;

const fixture = readSafetensors('test/data/full-weights/tied.safetensors').tensors;
const ids = toIntegers(fixture.get('input_ids')!);
const int64 = (values: readonly number[]): Tensor => ({
  dtype: 'int64',
  shape: [ROWS, SEQ],
  data: BigInt64Array.from(values, BigInt),
});
const feeds = { input_ids: int64(ids), attention_mask: int64(ids.map(() => 1)) };
const bytes = ({ tensors }: { tensors: ReadonlyMap<string, TensorData> }) =>
  [...tensors].map(([name, data]) => [name, Buffer.from(data.bytes()).toString('hex')]);
const planOf = (file: string) => JSON.parse(readSafetensors(file).metadata[PLAN_KEY]!) as SavedPlan;
const signatureOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'signature.json'), 'utf8')) as Signature;

async function logitsOf(path: string): Promise<Tensor> {
  return (await runOrt(path, feeds)).logits!;
}

/** infer.onnx of a training directory, fed with the tensors of an adapter file. */
async function inferred(folder: string, file: string): Promise<Tensor> {
  const { tensors } = readSafetensors(file);
  const params = Object.fromEntries(
    signatureOf(folder).params.map(({ name, shape }): [string, Tensor] => [
      name,
      { dtype: 'float32', shape, data: toF32(tensors.get(name)!) },
    ]),
  );
  return (await runOrt(join(folder, 'infer.onnx'), { ...feeds, ...params })).logits!;
}

/** An adapter file as it was written before weights had rows in the plan. */
function withoutRows(file: string, to: string, keep: (name: string) => boolean = () => true): string {
  const { tensors, metadata } = readSafetensors(file);
  const plan: SavedPlan = { version: 1, plans: planOf(file).plans };
  const kept = new Map([...tensors].filter(([name]) => name.startsWith('lotr/') || keep(name)));
  writeSafetensors(to, kept, { ...metadata, [PLAN_KEY]: JSON.stringify(plan) });
  return to;
}

// the weight of c_proj has an adapter too
const ALSO = ['--also-train', 'wte', '--also-train', 'h\\.1.*c_fc\\.bias|ln_f|h\\.0\\.mlp\\.c_proj\\.weight'];

beforeAll(async () => {
  copyFileSync('test/data/cases/train/tied.ts.onnx', base);
  await done('rewrite', base, '--rank', '3', '--init', 'fan-in', '--scale', '3');
  await done('emit', 'onnx-train', model, '-o', at('run'), '--shift', ...ALSO);
  const rows = 6 * ROWS;
  const text = Array.from({ length: rows * SEQ }, (_, i) => (i * i * 7 + 3 * i) % 64);
  writeSafetensors(
    at('data.safetensors'),
    new Map<string, TensorData>([
      ['input_ids', i64Tensor([rows, SEQ], text)],
      [
        'attention_mask',
        i64Tensor(
          [rows, SEQ],
          text.map(() => 1),
        ),
      ],
      ['labels', new MemoryTensor('i32', [rows, SEQ], new Uint8Array(Int32Array.from(text).buffer))],
    ]),
  );
  await done('train', at('run'), '--data', at('data.safetensors'), '--batch-size', '6', '--lr', '2e-2');
}, 60_000);

describe('a tied embedding, a bias and a norm trained in full together with the adapters', () => {
  let expected: Tensor;
  beforeAll(async () => {
    expected = await inferred(at('run'), adapter);
  });

  test('training moved them, and the plan in the adapter file names both places of the tied weight', async () => {
    const { weights, version } = planOf(adapter);
    expect(version).toBe(2);
    expect(weights!.map(({ name, places }) => [name, places.map((place) => place.tensor).slice(1)])).toEqual([
      ['m.transformer.wte.weight', ['onnx::MatMul_591']],
      ['m.transformer.h.0.mlp.c_proj.weight', []],
      ['m.transformer.h.1.mlp.c_fc.bias', []],
      ['m.transformer.ln_f.weight', []],
      ['m.transformer.ln_f.bias', []],
    ]);
    const start = readSafetensors(at('run', 'state.safetensors')).tensors;
    for (const [name, data] of readSafetensors(adapter).tensors)
      expect(relativeError(toF32(data), toF32(start.get(name)!)), name).toBeGreaterThan(1e-3);
    expect(maxDifference(expected, await logitsOf(base))).toBeGreaterThan(0.05);
  });

  test('merge: the logits of infer.onnx with the trained values', async () => {
    const said = await done('merge', model, '--adapter', adapter, '-o', at('merged.onnx'));
    expect(said).toContain('trained in full: m.transformer.wte.weight = onnx::MatMul_591\n');
    expect(maxDifference(await logitsOf(at('merged.onnx')), expected)).toBeLessThan(1e-5);
    // the run has no evaluation: its last checkpoint is the result, and has the plan too
    const checkpoint = at('run', 'run', 'checkpoint.safetensors');
    await done('merge', model, '--adapter', checkpoint, '-o', at('merged-checkpoint.onnx'));
    expect(maxDifference(await logitsOf(at('merged-checkpoint.onnx')), expected)).toBeLessThan(1e-5);
  });

  test.each([
    ['fold', []],
    ['function', ['--keep-functions']],
    ['link', ['--weights', 'link']],
    ['copy', ['--weights', 'copy']],
  ])(
    'apply onto the base (%s): the same logits; no weight is left in the adapter file',
    async (kind, words) => {
      const to = at(`applied-${kind}.onnx`);
      await done('apply', base, adapter, '-o', to, ...words);
      expect(maxDifference(await logitsOf(to), expected)).toBeLessThan(1e-5);
      const { initializers } = readModel(to).graph;
      for (const { tensor } of planOf(adapter).weights!.flatMap(({ places }) => places))
        expect(initializers.get(tensor)!.constant!.origin).toMatchObject({
          path: expect.not.stringContaining('adapter'),
        });
    },
  );

  test('apply onto the rewritten model', async () => {
    await done('apply', model, adapter, '-o', at('again.onnx'));
    expect(maxDifference(await logitsOf(at('again.onnx')), expected)).toBeLessThan(1e-5);
  });

  test('apply with factors as inputs keeps the weights in the model', async () => {
    await done('apply', base, adapter, '-o', at('inputs.onnx'), '--factors', 'inputs');
    const factors = Object.fromEntries(
      [...readSafetensors(adapter).tensors]
        .filter(([name]) => name.startsWith('lotr/'))
        .map(([name, data]): [string, Tensor] => [
          name,
          { dtype: 'float32', shape: data.shape, data: toF32(data) },
        ]),
    );
    const { logits } = await runOrt(at('inputs.onnx'), { ...feeds, ...factors });
    expect(maxDifference(logits!, expected)).toBeLessThan(1e-5);
  });

  test('an applied model: extract gives the file back, merge its logits, strip is refused (LOTR3210)', async () => {
    const applied = at('applied.onnx');
    await done('apply', base, adapter, '-o', applied);
    await done('extract', applied, '-o', at('extracted.safetensors'));
    expect(bytes(readSafetensors(at('extracted.safetensors')))).toEqual(bytes(readSafetensors(adapter)));
    expect(planOf(at('extracted.safetensors')).weights).toEqual(planOf(adapter).weights);
    const names = planOf(adapter).weights!.map(({ name }) => name);
    const listed = JSON.parse(await done('inspect', applied, '--json')) as { trained: string[] };
    expect(listed.trained).toEqual(names);
    for (const name of names) expect(await done('inspect', applied)).toContain(`trained in full: ${name}\n`);
    await done('merge', applied, '-o', at('merged-applied.onnx'));
    expect(maxDifference(await logitsOf(at('merged-applied.onnx')), expected)).toBeLessThan(1e-5);
    const { code, err } = await lotrc('strip', applied, '-o', at('stripped.onnx'));
    expect(code).toBe(1);
    expect(err).toMatch(/LOTR3210: cannot strip: m\.transformer\.wte\.weight, .* were trained in full/);
    const second = await lotrc('rewrite', applied, '--rank', '2', '--replace', '-o', at('replaced.onnx'));
    expect(second.err).toContain('LOTR3210');
    // an adapter without these weights wants those of the base
    const other = await lotrc('apply', applied, at('base.lotr.safetensors'), '-o', at('other.onnx'));
    expect(other.err).toContain('LOTR3210');
    // another state of the same training takes their place
    await done('apply', applied, at('run', 'state.safetensors'), '-o', at('started.onnx'));
    expect(maxDifference(await logitsOf(at('started.onnx')), await logitsOf(base))).toBeLessThan(1e-5);
  });

  test('verify takes the trained weights of --adapter-a', async () => {
    await done('merge', model, '--adapter', adapter, '-o', at('verified.onnx'));
    const ranges = ['--dim', 'batch=2', '--dim', 'seq=7'];
    const words = ['verify', model, at('verified.onnx'), ...ranges, '--tolerance', '1e-4'];
    const without = await lotrc(...words);
    expect(without.err).toContain('LOTR8009');
    expect((await lotrc(...words, '--adapter-a', adapter)).code).toBe(0);
  });

  test('emit onnx-train from the adapter, or from an applied model, goes on with them', async () => {
    await done('apply', base, adapter, '-o', at('going.onnx'));
    for (const [folder, words] of [
      ['from-adapter', [model, '--adapter', adapter]],
      ['from-applied', [at('going.onnx')]],
    ] as const) {
      await done('emit', 'onnx-train', ...words, '-o', at(folder), '--shift');
      const signature = signatureOf(at(folder));
      const trained = signature.params.filter(({ group }) => group === null);
      expect(trained.map(({ name, trainable }) => [name, trainable])).toEqual(
        planOf(adapter).weights!.map(({ name }) => [name, true]),
      );
      const state = at(folder, 'state.safetensors');
      expect(planOf(state).weights).toEqual(planOf(adapter).weights);
      expect(maxDifference(await inferred(at(folder), state), expected)).toBeLessThan(1e-5);
      const run = TrainingRun.open(at(folder), { inProcess: true, threads: 1 });
      const labels = { type: 'int32', dims: [ROWS, SEQ], data: Int32Array.from(ids) } as const;
      const inputs = Object.fromEntries(
        Object.entries(feeds).map(([name, { shape, data }]) => [
          name,
          { type: 'int64', dims: shape, data: data as BigInt64Array },
        ]),
      );
      const logits = (await run.evaluate({ inputs, labels })).logits!;
      await run.close();
      expect(
        maxDifference({ dtype: 'float32', shape: logits.dims, data: logits.data as Float32Array }, expected),
      ).toBeLessThan(1e-5);
    }
    // frozen: constants of every graph but infer.onnx, and still part of the adapter
    await done(
      'emit',
      'onnx-train',
      model,
      '--adapter',
      adapter,
      '-o',
      at('core'),
      '--shift',
      '--train',
      'M',
    );
    const frozen = signatureOf(at('core')).params.filter(({ group }) => group === null);
    expect(frozen.map(({ trainable }) => trainable)).toEqual([false, false, false, false, false]);
    const started = at('core', 'state.safetensors');
    expect(maxDifference(await inferred(at('core'), started), expected)).toBeLessThan(1e-5);
    const evaluated = await done('eval', at('core'), '--data', at('data.safetensors'), '--adapter', adapter);
    const own = await done('eval', at('run'), '--data', at('data.safetensors'), '--adapter', adapter);
    expect(evaluated).toBe(own);
  });

  test('eval in a directory without --also-train is refused (LOTR8231), of another plan too (LOTR3313)', async () => {
    await done('emit', 'onnx-train', model, '-o', at('bare'), '--shift');
    const words = ['--data', at('data.safetensors'), '--adapter', adapter];
    const { code, err } = await lotrc('eval', at('bare'), ...words);
    expect([code, err]).toEqual([1, expect.stringContaining('LOTR8231')]);
    expect(err).toContain('5 trained weights');
    const rescaled = at('rescaled.onnx');
    await done('rewrite', base, '--rank', '3', '--init', 'fan-in', '--scale', '5', '-o', rescaled);
    await done('emit', 'onnx-train', rescaled, '-o', at('rescaled'), '--shift', ...ALSO);
    expect((await lotrc('eval', at('rescaled'), ...words)).err).toContain('LOTR3313');
    const emit = ['emit', 'onnx-train', rescaled, '-o', at('no'), '--shift', '--adapter', adapter];
    expect((await lotrc(...emit)).err).toContain('LOTR3313');
  });

  test('merge with an adapter of another rank takes its trained weights too', async () => {
    await done('rewrite', base, '--rank', '2', '-o', at('rank2.onnx'));
    await done('merge', at('rank2.onnx'), '--adapter', adapter, '-o', at('merged2.onnx'));
    expect(maxDifference(await logitsOf(at('merged2.onnx')), expected)).toBeLessThan(1e-5);
  });

  test('files of earlier versions, without rows in the plan, are read as they were trained', async () => {
    const untied = withoutRows(adapter, at('old.safetensors'), (name) => !name.includes('wte'));
    const tied = readSafetensors(at('run', 'state.safetensors')).tensors.get('m.transformer.wte.weight')!;
    const mixed = readSafetensors(adapter);
    mixed.tensors.set('m.transformer.wte.weight', tied);
    writeSafetensors(at('mixed.safetensors'), mixed.tensors, mixed.metadata);
    const wanted = await inferred(at('run'), at('mixed.safetensors'));
    for (const [name, ...words] of [
      ['old-applied.onnx', 'apply', base, untied],
      ['old-merged.onnx', 'merge', model, '--adapter', untied],
    ] as const) {
      await done(...words, '-o', at(name));
      expect(maxDifference(await logitsOf(at(name)), wanted), name).toBeLessThan(1e-5);
    }
    const bare = await lotrc('eval', at('bare'), '--data', at('data.safetensors'), '--adapter', untied);
    expect(bare.err).toContain('LOTR8231');
  });

  test('on another base (LOTR3311), and tensors without a place (LOTR3312), are refused', async () => {
    const other = readModel(base);
    const norm = other.graph.own('m.transformer.ln_f.weight')!;
    norm.setConstant(f32Tensor([32], noise(32, 5)));
    writeModel(other, at('other-base.onnx'));
    const { code, err } = await lotrc('apply', at('other-base.onnx'), adapter, '-o', at('wrong.onnx'));
    expect([code, err]).toEqual([1, expect.stringContaining('LOTR3311')]);
    expect(err).toContain('m.transformer.ln_f.weight');
    const held = readSafetensors(adapter);
    held.tensors.set('stranger', f32Tensor([2], [1, 2]));
    writeSafetensors(at('strange.safetensors'), held.tensors, held.metadata);
    for (const words of [
      ['apply', base, at('strange.safetensors'), '-o', at('no.onnx')],
      ['merge', model, '--adapter', at('strange.safetensors'), '-o', at('no.onnx')],
    ]) {
      const refused = await lotrc(...words);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('LOTR3312')]);
    }
  });
});

test('a classifier head: eval of the run, of a merged and of an applied model agree', async () => {
  const net = await textClassifier(at('head'), { emit: ['--also-train', '^head'] });
  const { model: path, train, tokenizer } = net;
  const data = writeJsonl(at('head', 'data.jsonl'), records(24, ['a', 'b', 'c']));
  const reading = ['--data', data, '--tokenizer', tokenizer];
  await done('train', train, ...reading, '--epochs', '2', '--lr', '3e-2', '--batch-size', '8');
  const trained = join(train, 'run', 'adapter.safetensors');
  const loss = async (folder: string) => {
    const { loss: value } = JSON.parse(
      await done('eval', folder, ...reading, '--json', ...(folder === train ? [] : ['--adapter', trained])),
    ) as { loss: number };
    return value;
  };
  const own = await loss(train);
  await done('apply', path, trained, '-o', at('head', 'applied.onnx'));
  await done('emit', 'onnx-train', at('head', 'applied.onnx'), '-o', at('head', 'second'));
  expect(await loss(at('head', 'second'))).toBe(own);
});

test.each([7, 24, 1 << 20])('a transposed tensor in bands of %i bytes', (band) => {
  const [rows, columns] = [5, 7] as const;
  const source = f32Tensor([rows, columns], noise(rows * columns, 3));
  const turned = new TransposedTensor(source, band);
  const expected = Float32Array.from(
    { length: rows * columns },
    (_, i) => toF32(source)[(i % rows) * columns + Math.floor(i / rows)]!,
  );
  expect(turned.shape).toEqual([columns, rows]);
  expect(toF32(turned)).toEqual(expected);
  const chunks: Uint8Array[] = [];
  turned.copyTo({ write: (chunk) => chunks.push(Uint8Array.from(chunk)) });
  expect(Buffer.concat(chunks)).toEqual(Buffer.from(expected.buffer));
  expect(Buffer.from(turned.slice(13, 50))).toEqual(Buffer.from(expected.buffer, 13, 50));
});
