import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EvaluationRow, StepRow, TrainingLog } from '../log.js';
import { EventWriter, lengthUpTo } from './event-file.js';
import type { Settings } from './hparams.js';

/** TensorBoard looks for files with `tfevents` in their name. */
export const EVENT_FILE = 'events.out.tfevents.lotrc';

/**
 * The run's TensorBoard event file: `train/loss`, `train/lr`, `train/lr/PATTERN` of each group with a rate of its own, `train/norm`, `train/epoch`, `train/examples_per_s`,
 * `train/tokens_per_s` where tokens are counted, `train/loss_scale` where losses are scaled, `train/skipped` (1) for a
 * step that overflowed; `eval/loss` and the other values of an evaluation. A row is one record, handed to the system whole,
 * so the file can be read at any moment, also after the process was killed.
 */
export class EventLog implements TrainingLog {
  readonly path: string;
  readonly #writer: EventWriter;

  /** `resumed`: the last step that a checkpoint holds; records of later ones are cut off. Throws LOTR1201. */
  constructor(folder: string, settings: Settings, resumed: number | null) {
    mkdirSync(folder, { recursive: true });
    this.path = join(folder, EVENT_FILE);
    const keep = resumed === null ? 0 : lengthUpTo(this.path, resumed);
    this.#writer = new EventWriter(this.path, keep);
    if (keep === 0) this.#writer.settings(settings);
  }

  step(row: StepRow): void {
    const { step, loss, lr, norm, epoch, examples, tokens, seconds, finite, lossScale, groupRates } = row;
    const values: [string, number][] = [
      ['train/loss', loss],
      ['train/lr', lr],
      ...[...(groupRates ?? [])].map(([pattern, rate]): [string, number] => [`train/lr/${pattern}`, rate]),
      ['train/norm', norm],
      ['train/epoch', epoch],
    ];
    if (seconds > 0) {
      values.push(['train/examples_per_s', examples / seconds]);
      if (tokens > 0) values.push(['train/tokens_per_s', tokens / seconds]);
    }
    if (lossScale !== 1) values.push(['train/loss_scale', lossScale]);
    if (!finite) values.push(['train/skipped', 1]);
    this.#writer.scalars(step, values);
  }

  evaluation({ step, values }: EvaluationRow): void {
    this.#writer.scalars(
      step,
      [...values].map(([name, value]) => [`eval/${name}`, value]),
    );
  }

  checkpoint(): void {
    this.#writer.sync();
  }

  close(): void {
    this.#writer.sync();
    this.#writer.close();
  }
}
