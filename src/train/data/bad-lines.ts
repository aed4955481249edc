import { badLine, linesSkipped } from '../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';

const SHOWN = 5;

/** Is told of records that cannot be used. */
export interface BadRecords {
  /** Throws LOTR8205 where the first one is to end the command. */
  add(line: number, why: string): void;
}

/** A line of a file. */
export interface LineOfFile {
  readonly file: string;
  readonly line: number;
}

/** What to do about records that cannot be used. */
export class BadLines implements BadRecords {
  count = 0;
  readonly #first: string[] = [];
  readonly #place: (line: number) => LineOfFile;

  /** `place`: where a line is, when lines of several files are numbered on */
  constructor(
    readonly file: string,
    readonly policy: 'skip' | 'stop',
    place: (line: number) => LineOfFile = (line) => ({ file, line }),
  ) {
    this.#place = place;
  }

  /** Takes note of one, or throws LOTR8205 when the first one is to end the command. */
  add(line: number, why: string): void {
    const place = this.#place(line);
    if (this.policy === 'stop') fail(badLine({ ...place, why }));
    this.count++;
    const file = place.file === this.file ? '' : `${place.file}, `;
    if (this.#first.length < SHOWN) this.#first.push(`${file}line ${place.line}: ${why}`);
  }

  report(): readonly Diagnostic[] {
    const { file, count } = this;
    return count === 0 ? [] : [linesSkipped({ file, count, first: this.#first })];
  }
}
