import { join } from 'node:path';
import { runOnSome } from '../../src/backends/ort/extents.js';
import { OrtProcess } from '../../src/backends/ort/process.js';
import { toleranceFor } from '../../src/backends/ort/tolerance.js';
import { notCompared } from '../../src/ir/codes/cli.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import type { TensorData } from '../../src/ir/tensor.js';
import { flagOf, type OptionSet, type ValuesOf } from '../../src/options/define.js';
import { VERIFY } from '../../src/options/sets/models.js';
import { refuseUsage } from '../../src/options/usage.js';
import { compareRecorded, modelDigest, readRecord, recordOutput } from '../numbers.js';
import { filesText, refuseInputs, writeNoting } from '../outputs.js';
import type { Run } from '../program.js';
import { inScratch } from '../scratch.js';
import { tell } from '../tell.js';
import { count } from '../text.js';
import { showComparison, sideOf } from './verify.js';

type RecordOptions = ValuesOf<typeof VERIFY>;

/** What the recorded inputs say already. */
const OF_RECORD = ['dims', 'inputs', 'seed'];

/** Runs one model and writes its inputs and outputs to a file, or compares its outputs with those of such a file. */
export async function verifyRecorded(
  path: string,
  options: RecordOptions,
  given: ReadonlySet<string>,
  run: Run,
): Promise<void> {
  const { record, against, optimization, timeout } = options;
  if ((record === undefined) === (against === undefined))
    refuseUsage('verify takes two models, or one with --record FILE or with --against FILE');
  if (given.has('adapterB')) refuseUsage('--adapter-b is of a second model: use --adapter-a');
  const fixed = against === undefined ? undefined : OF_RECORD.find((key) => given.has(key));
  if (fixed !== undefined)
    refuseUsage(
      `--${flagOf(fixed, (VERIFY as OptionSet)[fixed]!)} is for --record: --against runs on the recorded inputs`,
    );
  await inScratch('lotrc-verify-', async (scratch) => {
    const some =
      options.inputs === undefined ? new Map<string, TensorData>() : readSafetensors(options.inputs).tensors;
    const recorded = against === undefined ? null : readRecord(against);
    const names = recorded ? Object.keys(recorded.inputs) : [...some.keys()];
    const side = sideOf(path, options.adapterA, names, join(scratch, 'a.onnx'));
    const host = new OrtProcess({ TMPDIR: scratch });
    const how = { host, optimization, timeout, dims: options.dims, seed: options.seed, some };
    const ran = await runOnSome(side, { ...how, inputs: recorded?.inputs }).finally(() => host.close());
    const model = modelDigest(side.model);
    // safetensors holds neither texts nor sequences
    const kept = new Set(
      Object.entries(ran.outputs).flatMap(([name, { dtype }]) => (dtype === 'string' ? [] : [name])),
    );
    const others = side.model.graph.outputs.map(({ name }) => name).filter((name) => !kept.has(name));
    if (recorded) {
      const outputs = compareRecorded(recorded, ran.outputs);
      const same = recorded.model === null ? null : recorded.model === model;
      const value = options.tolerance ?? recorded.tolerance;
      showComparison(
        { outputs, notCompared: others, dims: new Map() },
        { value, because: null },
        options.json,
        run,
        { sameModel: same },
      );
      if (!options.json && same !== null)
        run.io.out(
          same
            ? 'the model is the one that was recorded\n'
            : 'the bytes of the model are not those that were recorded\n',
        );
      return;
    }
    if (others.length > 0) run.reporter.report(notCompared({ names: others }));
    const tolerance = options.tolerance ?? toleranceFor([side.model]).value;
    refuseInputs(
      [record!],
      [path, ...[options.adapterA, options.inputs].filter((file) => file !== undefined)],
      options.clobber,
    );
    const { inputs, outputs } = ran;
    const [written] = writeNoting([recordOutput(record!, { inputs, outputs, tolerance, model })]);
    const files = [written!];
    if (options.json) {
      const report = { version: 1, tolerance, model, inputs: Object.keys(inputs), outputs: [...kept], files };
      run.io.out(`${JSON.stringify(report, null, 2)}\n`);
    } else
      tell(
        run,
        `recorded ${count(Object.keys(inputs).length, 'input')} and ${count(kept.size, 'output')}, tolerance ${tolerance}\n${filesText(files)}`,
      );
  });
}
