import { nextTurn } from '#platform';
import { evaluationText, introduction } from '../../cli/training-text.js';
import { openSafetensors } from '../../src/core/adapters.js';
import { type Adapter, apply, encodeSafetensors, type Model } from '../../src/core.js';
import { stoppedEarly } from '../../src/ir/codes/train-loop.js';
import { HeldBatches } from '../../src/train/batch-source.js';
import { labelNames } from '../../src/train/data/labels.js';
import { readTokenizer } from '../../src/train/data/tokenizer.js';
import { ALONE } from '../../src/train/distributed/group.js';
import { type CheckpointStore, stepsOfRun, trainLoop } from '../../src/train/loop.js';
import { positionFor, withPosition } from '../../src/train/position.js';
import { requireFinite } from '../../src/train/require-finite.js';
import { heldOf, type SavedRun } from '../../src/train/saved-run.js';
import type { RunEnd } from '../protocol.js';
import type { KeptRun } from './kept-run.js';
import { type OpenedRun, openRun, type RunSource } from './opened-run.js';
import { nameWith } from './project.js';
import { sampleOf } from './sampler.js';

export interface TrainingJob extends Omit<RunSource, 'settings'> {
  readonly kept: KeptRun;
  /** whether the run is to pause */
  interrupted(): boolean;
}

/** How a run ended, and its adapter: that of the best evaluation when it came to its end, else the one that it has now. */
export interface TrainedHere {
  readonly end: RunEnd;
  readonly adapter: Adapter;
}

const CHECKPOINT = 'checkpoint.safetensors';
const BEST = 'best.safetensors';

/**
 * Trains with the loop of `lotrc train`, from the checkpoint of the run, to its end or until it is paused. Throws as the commands
 * `emit onnx-train` and `train` do.
 */
export async function trainHere(job: TrainingJob): Promise<TrainedHere> {
  const { kept, tell } = job;
  const opened = await openRun({ ...job, settings: kept.settings });
  const { run, data, plan } = opened;
  try {
    const checkpoints = checkpointsIn(kept, run, tell);
    const start = (await checkpoints.read())?.position.step ?? 0;
    kept.cutAt(start);
    const training = new HeldBatches(data.data, data.cut, plan.seed);
    const { perEpoch, total } = stepsOfRun(plan, training.batches);
    const counted = data.data.batch([0]).tokens !== null;
    tell({
      kind: 'started',
      summary: introduction({
        ...{ perEpoch, total, examples: training.examples, evalExamples: data.evalData?.size ?? 0 },
        ...{ parameters: parametersOf(run), unit: training.unit, ranks: 1 },
      }),
      unit: counted ? 'tokens' : 'examples',
      total,
      steps: kept.steps,
      evaluations: kept.evaluations,
      samples: kept.samples,
    });
    if (start === 0) await sample(job, opened, 0, job.project.base.read());
    const { position, finished, early } = await trainLoop({
      run,
      group: ALONE,
      training,
      evalData: data.evalData,
      classNames: labelNames(data.labels),
      cut: data.cut,
      plan,
      checkpoints,
      logs: [],
      note: (diagnostic) => tell({ kind: 'note', diagnostic }),
      onStep: ({ step, loss, lr, tokens, examples, seconds }) => {
        const row = { step, loss, lr, rate: (counted ? tokens : examples) / seconds };
        kept.steps.push(row);
        tell({ kind: 'step', row });
      },
      onEvaluation: (step, evaluation) => {
        const row = { step, loss: evaluation.loss, text: evaluationText(evaluation) };
        kept.evaluations.push(row);
        tell({ kind: 'evaluated', row });
      },
      keepBest: (parameters) => kept.put(BEST, encodeSafetensors(parameters, run.metadata)),
      beforeSave: () => kept.begin(),
      // messages of the page come between turns
      interrupted: async () => {
        await nextTurn();
        return job.interrupted();
      },
    });
    const { step, best } = position;
    if (early) {
      const { patience, best: metric } = plan;
      tell({
        kind: 'note',
        diagnostic: stoppedEarly({ step, total, patience: patience!, metric, best: best?.step ?? null }),
      });
    }
    const adapter = await adapterOf(run, kept, finished && best !== null, step);
    if (!kept.samples.some((row) => row.step === step)) {
      const model = job.project.base.read();
      apply(model, adapter);
      await sample(job, opened, step, model);
      await kept.putRows();
    }
    const summary = finished ? `${step} steps` : `paused after ${step} of ${total} steps`;
    return { end: { finished, step, total, summary }, adapter };
  } finally {
    await run.close();
  }
}

function checkpointsIn(kept: KeptRun, run: SavedRun, tell: TrainingJob['tell']): CheckpointStore {
  return {
    async read() {
      const bytes = await kept.bytes(CHECKPOINT);
      if (!bytes) return null;
      const { tensors, metadata } = await openSafetensors(bytes, CHECKPOINT);
      return { position: positionFor(run, CHECKPOINT, metadata, tensors), tensors: heldOf(tensors) };
    },
    async write(state, position) {
      await kept.putRows();
      await kept.put(CHECKPOINT, encodeSafetensors(state, withPosition(run, position)));
      tell({ kind: 'saved', step: position.step });
    },
  };
}

async function adapterOf(run: SavedRun, kept: KeptRun, best: boolean, step: number): Promise<Adapter> {
  const bytes = best ? await kept.bytes(BEST) : null;
  const { tensors, metadata } = bytes
    ? await openSafetensors(bytes, BEST)
    : { tensors: await run.parameters(), metadata: run.metadata };
  requireFinite(run.signature, tensors, step);
  return { tensors, metadata };
}

const parametersOf = ({ signature }: SavedRun): number =>
  signature.params
    .filter(({ trainable }) => trainable)
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** A text of the model, where it writes some. */
async function sample(
  { ort, project, kept, tell }: TrainingJob,
  { context }: OpenedRun,
  step: number,
  model: Model,
): Promise<void> {
  const file = nameWith(project.roles, 'tokenizer');
  if (file === null) return;
  tell({ kind: 'busy', what: 'writing a sample' });
  const text = await sampleOf(ort, model, await readTokenizer(file, project.named), context);
  if (text === null) return;
  const row = { step, text };
  kept.samples.push(row);
  tell({ kind: 'sample', row });
}
