import type * as Ort from 'onnxruntime-web';
import { trainOptionsOf } from '../../src/backends/onnx-train/values.js';
import { emitTraining } from '../../src/core.js';
import { refuseUsage } from '../../src/options/usage.js';
import { openGraphs } from '../../src/runtime/given-graphs.js';
import { readData } from '../../src/train/data/read-data.js';
import { Source } from '../../src/train/data/source.js';
import { requireLabels } from '../../src/train/labels.js';
import type { TrainingPlan } from '../../src/train/loop.js';
import { droppedRows, openRunData, type RunData, requireEvaluation } from '../../src/train/run-data.js';
import { SavedRun } from '../../src/train/saved-run.js';
import { readingOf, requireTogether, trainingPlanOf } from '../../src/train/values.js';
import type { RunEvent } from '../protocol.js';
import type { Adapted } from './adapted.js';
import { valuesIn } from './fields.js';
import { parquetIn } from './parquet.js';
import { nameWith, type Project } from './project.js';
import type { StoredRun } from './run-store.js';

/** A run whose graphs and data are there. */
export interface OpenedRun {
  readonly run: SavedRun;
  readonly data: RunData;
  readonly plan: TrainingPlan;
  /** the longest row in tokens */
  readonly context: number;
}

/** What a run is made of. */
export interface RunSource {
  readonly ort: typeof Ort;
  readonly project: Project;
  readonly adapted: Adapted;
  readonly settings: Pick<StoredRun, 'texts' | 'provider' | 'threads'>;
  tell(event: RunEvent): void;
}

/** Writes the graphs, and opens them and the data. Throws as the commands `emit onnx-train` and `train` do. */
export async function openRun({ ort, project, adapted, settings, tell }: RunSource): Promise<OpenedRun> {
  const { texts, provider, threads } = settings;
  const values = valuesIn('train', texts.train);
  requireTogether(values);
  tell({ kind: 'busy', what: 'writing the training graphs' });
  const emitted = emitTraining({
    open: adapted.opened.read,
    options: { ...trainOptionsOf(valuesIn('emit', texts.emit)), ep: [provider] },
  });
  for (const diagnostic of emitted.notes) tell({ kind: 'note', diagnostic });
  const fileOf = (name: string): Uint8Array => {
    const source = emitted.base.get(name);
    return source ? source.read(0, source.size) : emitted.files.get(name)!;
  };
  const session = { intraOpNumThreads: threads };
  const { signature, runner, state, metadata } = await openGraphs(fileOf, { ort, ep: provider, session });
  const run = new SavedRun('', signature, runner, metadata);
  run.hold(state);
  try {
    const plan = trainingPlanOf(values, signature);
    const data = await dataOf(run, values, plan, project, tell);
    return { run, data, plan, context: values.maxLength };
  } catch (error) {
    await run.close();
    throw error;
  }
}

async function dataOf(
  { signature }: SavedRun,
  values: ReturnType<typeof valuesIn<'train'>>,
  plan: TrainingPlan,
  { files, roles, named }: Project,
  tell: RunSource['tell'],
): Promise<RunData> {
  const data = nameWith(roles, 'data') ?? refuseUsage('there is no file to train on among the files');
  const evalData = nameWith(roles, 'evaluation');
  const { evalSplit, batchSize, bucket, inputs = new Map<string, string>() } = values;
  requireEvaluation({ plan, evalData, evalSplit });
  const reading = { ...readingOf(values), tokenizer: nameWith(roles, 'tokenizer') };
  tell({ kind: 'busy', what: `reading ${data}` });
  const opened = await openRunData(
    signature,
    { data, evalData, evalSplit, batchSize, bucket, inputs, seed: plan.seed, labels: null },
    (file, labels) =>
      readData(
        new Source(file, undefined, true, named),
        signature,
        reading,
        labels,
        inputs,
        parquetIn(files),
      ),
    {
      opened: ({ notes }) => {
        for (const diagnostic of notes) tell({ kind: 'note', diagnostic });
      },
      note: (diagnostic) => tell({ kind: 'note', diagnostic }),
    },
  );
  requireLabels(opened.data, signature, 'training data');
  if (opened.evalData) requireLabels(opened.evalData, signature, 'evaluation data');
  for (const diagnostic of droppedRows(opened.data, opened.cut, data)) tell({ kind: 'note', diagnostic });
  return opened;
}
