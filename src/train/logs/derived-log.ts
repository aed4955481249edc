import { join } from 'node:path';
import { type Output, writeAtomically } from '../../ir/files/atomic.js';
import type { TrainingLog } from './contract.js';
import { readEvents } from './event-file.js';
import { parquetOutput } from './parquet.js';
import { reportOutput } from './report.js';
import { type Log, logOf } from './rows.js';

/**
 * A file that is made anew from the run's event file at each checkpoint and at the end, and replaced whole. The event
 * file alone holds the rows: after a resumption, or in a run of a million steps, nothing else has to be kept.
 */
abstract class DerivedLog implements TrainingLog {
  readonly path: string;
  readonly #events: string;

  constructor(folder: string, name: string, events: string) {
    this.path = join(folder, name);
    this.#events = events;
  }

  step(): void {}

  evaluation(): void {}

  /** Throws LOTR1002, LOTR1201. */
  checkpoint(): void {
    writeAtomically([this.output(logOf(readEvents(this.#events).events))]);
  }

  close(): void {
    this.checkpoint();
  }

  protected abstract output(log: Log): Output;
}

/** `log.parquet`: a row per step and per evaluation. */
export class ParquetLog extends DerivedLog {
  constructor(folder: string, events: string) {
    super(folder, 'log.parquet', events);
  }

  protected output(log: Log): Output {
    return parquetOutput(this.path, [log]);
  }
}

/** `report.html`: the curves and the settings to look at. */
export class ReportLog extends DerivedLog {
  constructor(folder: string, events: string) {
    super(folder, 'report.html', events);
  }

  protected output(log: Log): Output {
    return reportOutput(this.path, log);
  }
}
