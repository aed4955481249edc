import { badLine, linesSkipped } from '../../ir/codes/train.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';

const SHOWN = 5;

/** What to do about records that cannot be used. */
export class BadLines {
  count = 0;
  readonly #first: string[] = [];

  constructor(
    readonly file: string,
    readonly policy: 'skip' | 'stop',
  ) {}

  /** Takes note of one, or throws LOTR8205 when the first one is to end the command. */
  add(line: number, why: string): void {
    if (this.policy === 'stop') fail(badLine({ file: this.file, line, why }));
    this.count++;
    if (this.#first.length < SHOWN) this.#first.push(`line ${line}: ${why}`);
  }

  report(): readonly Diagnostic[] {
    const { file, count } = this;
    return count === 0 ? [] : [linesSkipped({ file, count, first: this.#first })];
  }
}
