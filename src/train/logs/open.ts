import type { TrainingLog } from '../log.js';
import { DerivedLogs } from './derived-logs.js';
import { EventLog } from './event-log.js';
import type { Setting, Settings } from './hparams.js';

/** Constants of a whole run. The first six are columns of every Parquet log; null: not known, or several. */
export interface RunInfo {
  readonly model: string;
  readonly method: string | null;
  readonly task: string | null;
  /** peak learning rate */
  readonly lr: number;
  readonly rank: number | null;
  readonly seed: number;
  /** trainable values */
  readonly parameters: number;
  /** everything else that was chosen, in the order to show it */
  readonly more: Readonly<Record<string, Setting | null>>;
}

/**
 * The logs of a run, written in this order: a TensorBoard event file, a Parquet file and an HTML report, in `folder`,
 * which is made. `resumed`: the step of the checkpoint that the run goes on from, null for a new run. Throws LOTR1201.
 */
export function openLogs(
  folder: string,
  info: RunInfo,
  resumed: number | null = null,
): readonly TrainingLog[] {
  const events = new EventLog(folder, settingsOf(info), resumed);
  return [events, new DerivedLogs(folder, events.path)];
}

function settingsOf({ more, ...info }: RunInfo): Settings {
  const all: readonly (readonly [string, Setting | null])[] = [
    ...Object.entries(info),
    ...Object.entries(more),
  ];
  return new Map(all.filter((entry): entry is readonly [string, Setting] => entry[1] !== null));
}
