import { join } from 'node:path';
import { writeAtomically } from '../../ir/files/atomic.js';
import type { TrainingLog } from '../log.js';
import { readEvents } from './event-file.js';
import { parquetOutput } from './parquet.js';
import { reportOutput } from './report.js';
import { logOf } from './rows.js';

/** Making the files again waits so many times as long as it took, so that it takes little of a long run. */
const PAUSE = 20;

/**
 * `log.parquet` (a row per step and per evaluation) and `report.html` (curves and settings to look at). Both are made
 * again from the run's event file at checkpoints, where they were not a short while ago, and at the end, and replaced whole.
 * The event file alone holds the rows: after a resumption, or in a run of a million steps, nothing else has to be kept.
 */
export class DerivedLogs implements TrainingLog {
  readonly parquet: string;
  readonly report: string;
  readonly #events: string;
  #next = 0;

  constructor(folder: string, events: string) {
    this.parquet = join(folder, 'log.parquet');
    this.report = join(folder, 'report.html');
    this.#events = events;
  }

  step(): void {}

  evaluation(): void {}

  /** Throws LOTR1002, LOTR1201. */
  checkpoint(): void {
    const start = performance.now();
    if (start < this.#next) return;
    this.close();
    const end = performance.now();
    this.#next = end + PAUSE * (end - start);
  }

  /** Throws LOTR1002, LOTR1201. */
  close(): void {
    const log = logOf(readEvents(this.#events).events);
    writeAtomically([parquetOutput(this.parquet, [log]), reportOutput(this.report, log)]);
  }
}
