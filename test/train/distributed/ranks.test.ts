import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../../src/ir/diagnostics.js';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { f32Tensor } from '../../../src/ir/tensor.js';
import { toF32 } from '../../../src/ir/values.js';
import { FIELDS } from '../../../src/train/data/fields.js';
import { ALONE, type ProcessGroup } from '../../../src/train/distributed/group.js';
import { requireSameSettings } from '../../../src/train/distributed/same.js';
import { sameState } from '../../../src/train/distributed/state.js';
import type { Evaluation } from '../../../src/train/evaluate.js';
import type { StepRow } from '../../../src/train/log.js';
import { readLogs } from '../../../src/train/logs/find.js';
import { TrainingRun } from '../../../src/train/run.js';
import { readSettings } from '../../../src/train/settings.js';
import { type TrainEvents, type TrainRequest, train } from '../../../src/train/train.js';
import { records, type TextClassifier, textClassifier } from '../../support/classifier.js';
import { groupsOf } from '../../support/process-groups.js';
import { writeJsonl } from '../../support/reading.js';

// Ranks of a job in one process: what they compute does not depend on how they are connected. mpi.test.ts has real ones.

const root = mkdtempSync(join(tmpdir(), 'lotrc-ranks-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let net: TextClassifier;
let [data, evalData] = ['', ''];
let serial = 0;
const fresh = () => join(root, `run${serial++}`);

beforeAll(async () => {
  net = await textClassifier(join(root, 'net'), { emit: ['--group', 'M$:lr=0.03,schedule=cosine'] });
  const names = ['fish', 'bird', 'newt'];
  data = writeJsonl(join(root, 'data.jsonl'), records(26, names));
  evalData = writeJsonl(join(root, 'eval.jsonl'), records(37, names).slice(26));
});

function requestFor(output: string, batchSize: number, accumulate: number): TrainRequest {
  const none = { quote: null, labels: null, bos: null, eos: null, decoderStart: null } as const;
  return {
    folder: net.train,
    output,
    data,
    evalData,
    evalSplit: 0,
    reading: {
      ...none,
      ...{ tokenizer: net.tokenizer, fields: FIELDS, task: null, lossOn: 'answers', subwords: 'first' },
      ...{ badLines: 'stop', maxLength: 24, padTo: 1, bucket: false, pack: false },
    },
    batchSize,
    plan: {
      ...{ epochs: 3, maxSteps: 6, accumulate, seed: 5, lossScale: 1, evalEvery: 3, checkpointEvery: 2 },
      ...{ best: 'loss', patience: null, warmupSteps: null },
      schedule: { kind: 'linear', peak: 0.01, floor: 0, power: 1, warmup: 0 },
    },
    ...{ ep: 'cpu', threads: 1, inputs: new Map(), lowMemory: false, resume: false, inProcess: true },
  };
}

/** What a run says and leaves behind. */
interface Left {
  readonly rows: readonly StepRow[];
  readonly evaluations: readonly Evaluation[];
  readonly notes: readonly Diagnostic[];
  readonly state: ReadonlyMap<string, Float32Array>;
}

/** Trains with these groups at once; `stopAfter`: the step after which the last rank is asked to end. */
async function trained(
  request: TrainRequest,
  groups: readonly ProcessGroup[] = [ALONE],
  stopAfter = Number.POSITIVE_INFINITY,
): Promise<Left> {
  const rows: StepRow[] = [];
  const evaluations: Evaluation[] = [];
  const notes: Diagnostic[] = [];
  const nothing = () => undefined;
  const events = ({ rank }: ProcessGroup): TrainEvents => ({
    ...{ reading: nothing, opened: nothing, started: nothing },
    step: (row) => rows.push(row),
    evaluated: (_, evaluation) => evaluations.push(evaluation),
    note: (note) => notes.push(note),
    interrupted: () => rank === groups.length - 1 && rows.length >= stopAfter,
  });
  await Promise.all(groups.map((group) => train(request, events(group), group)));
  const { tensors } = readSafetensors(join(request.output, 'checkpoint.safetensors'));
  return { rows, evaluations, notes, state: new Map([...tensors].map(([name, t]) => [name, toF32(t)])) };
}

function expectClose(a: Left, b: Left): void {
  expect(b.rows.length).toBe(a.rows.length);
  for (const [i, row] of a.rows.entries()) {
    const { loss, norm, examples, tokens } = b.rows[i]!;
    expect(Math.abs(loss - row.loss), `loss of step ${row.step}`).toBeLessThan(1e-6 * row.loss);
    expect(Math.abs(norm - row.norm), `norm of step ${row.step}`).toBeLessThan(1e-5 * row.norm);
    expect([examples, tokens]).toEqual([row.examples, row.tokens]);
  }
  for (const [i, { loss, count }] of a.evaluations.entries()) {
    expect(Math.abs(b.evaluations[i]!.loss - loss)).toBeLessThan(1e-6 * loss);
    expect(b.evaluations[i]!.count).toBe(count);
  }
}

const isSame = (a: Left, b: Left) => expect(b.state).toEqual(a.state);

/** Six rates of the group, from 0.03 to 0. */
const COSINE = ['0.0300', '0.0280', '0.0225', '0.0150', '0.0075', '0.0020'];

test('the rates of groups are in the logs', async () => {
  const output = fresh();
  await trained({ ...requestFor(output, 7, 1), evalData: null });
  const { logs } = await readLogs([output]);
  const rates = logs[0]!.rows.map(({ values }) => values.get('lr/M$')!.toFixed(4));
  expect(rates).toEqual(COSINE);
  const { buffer } = new Uint8Array(readFileSync(join(output, 'log.parquet')));
  const log = await parquetReadObjects({ file: buffer });
  expect((log[1]!['learning_rate/M$'] as number).toFixed(4)).toBe(COSINE[1]);
});

describe.each([
  ['one batch a step', 7, 1, [2, 3, 4]],
  ['three batches a step', 4, 3, [2, 3]],
] as const)('%s', (_, batchSize, accumulate, sizes) => {
  test('the losses of one process and of several agree to 1e-6, at every step', async () => {
    const one = await trained(requestFor(fresh(), batchSize, accumulate));
    expect(one.rows.length).toBe(6);
    // a pass ends with a batch that has fewer rows than the ranks, or none for some
    expect(new Set(one.rows.map(({ examples }) => examples)).size).toBeGreaterThan(1);
    expect(one.rows.map(({ groupRates }) => groupRates!.get('M$')!.toFixed(4))).toEqual(COSINE);
    for (const size of sizes) {
      const several = await trained(requestFor(fresh(), batchSize, accumulate), groupsOf(size));
      expectClose(one, several);
      // before the first step all have the same parameters, and then evaluations have the same bits
      expect(several.evaluations[0]).toEqual(one.evaluations[0]);
    }
  });
});

test('a run that one rank ends and several resume has the bits of a whole one; another number goes on with it (LOTR8270)', async () => {
  const whole = await trained(requestFor(fresh(), 7, 1), groupsOf(2));
  const [parts, other] = [fresh(), fresh()];
  for (const output of [parts, other]) {
    const request = requestFor(output, 7, 1);
    const stopped = await trained(request, groupsOf(2), 3);
    expect(stopped.notes.map(({ code }) => code)).toEqual(['LOTR8215']);
    expect(stopped.rows.length).toBe(3);
    const again = { ...request, resume: true };
    const rest = await trained(again, output === parts ? groupsOf(2) : groupsOf(3));
    expect(rest.rows.map(({ step }) => step)).toEqual([4, 5, 6]);
    expect(rest.notes.map(({ code }) => code)).toEqual(output === parts ? [] : ['LOTR8270']);
    const joined = { ...rest, rows: [...stopped.rows, ...rest.rows] };
    if (output === parts) isSame(whole, rest);
    expectClose(whole, { ...joined, evaluations: [...stopped.evaluations, ...rest.evaluations] });
    expect(readSettings(output)!.ranks).toBe(output === parts ? 2 : 3);
  }
});

test('ranks whose parameters drifted take those of rank 0, with a warning (LOTR8269)', async () => {
  const runs = [0, 1, 2].map(() => TrainingRun.open(net.train, { inProcess: true, threads: 1 }));
  const [name, tensor] = [...(await runs[0]!.save())][0]!;
  const values = toF32(tensor).slice();
  values[1] = values[1]! + 1e-6;
  runs[2]!.load(new Map([[name, f32Tensor(tensor.shape, values)]]));
  const notes: Diagnostic[] = [];
  const groups = groupsOf(3);
  const states = await Promise.all(
    runs.map((run, rank) => sameState(groups[rank]!, run, 8, (note) => notes.push(note))),
  );
  expect(notes.length).toBe(3);
  expect(notes[0]).toMatchObject({ code: 'LOTR8269', severity: 'warning' });
  expect(notes[0]!.message).toMatch(/at step 8 the parameters of rank 2 differ/);
  for (const state of states) expect(state.get(name)!.bytes()).toEqual(tensor.bytes());
  expect((await runs[2]!.save()).get(name)!.bytes()).toEqual(tensor.bytes());
  for (const run of runs) await run.close();
});

test('LOTR8267: a rank with other data is told what differs', async () => {
  const output = fresh();
  await trained({ ...requestFor(output, 7, 1), evalData: null });
  const settings = readSettings(output)!;
  const groups = groupsOf(2);
  const own = { ...settings, data: { file: '/elsewhere/data.jsonl', sha256: 'ab12' } };
  const [first, second] = await Promise.allSettled([
    requireSameSettings(groups[0]!, settings),
    requireSameSettings(groups[1]!, own),
  ]);
  expect(first.status).toBe('fulfilled');
  expect(second).toMatchObject({ status: 'rejected' });
  expect(String((second as PromiseRejectedResult).reason)).toMatch(
    /LOTR8267: rank 1 .*data\.sha256 is "[0-9a-f]{64}" on rank 0, and "ab12" here/s,
  );
});
