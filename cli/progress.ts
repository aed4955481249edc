import { basename } from 'node:path';
import { visible } from '../src/ir/visible.js';
import type { ReadProgress } from '../src/train/data/source.js';
import type { StepRow } from '../src/train/log.js';
import type { Io } from './io.js';
import { count, num } from './text.js';

/** Where there is no terminal, a line this often. */
const QUIET_SECONDS = 10;
/** Speed is averaged over about this many steps. */
const WINDOW = 20;

/** Progress of reading and training: on a terminal one line that is overwritten, otherwise a line every few seconds. */
export class Progress {
  readonly #io: Io;
  readonly #terminal: boolean;
  #open = false;
  #told = Number.NEGATIVE_INFINITY;
  #reading: number | null = null;
  #seconds = 0;
  #rate = 0;

  constructor(io: Io, terminal = process.stderr.isTTY === true) {
    this.#io = io;
    this.#terminal = terminal;
  }

  step(row: StepRow, total: number): void {
    const weight = this.#seconds === 0 ? 1 : 1 / WINDOW;
    this.#seconds += weight * (row.seconds - this.#seconds);
    this.#rate += weight * ((row.tokens || row.examples) / Math.max(row.seconds, 1e-9) - this.#rate);
    const now = performance.now() / 1000;
    const last = row.step === total;
    if (this.#terminal) {
      this.#io.err(`\r\x1b[K${this.#text(row, total)}`);
      this.#open = true;
    } else if (last || now - this.#told >= QUIET_SECONDS) {
      this.#io.err(`${this.#text(row, total)}\n`);
      this.#told = now;
    }
  }

  /** How far a data file is read. On a terminal the line is gone when the file is read. */
  read(progress: ReadProgress): void {
    const now = performance.now() / 1000;
    if (this.#terminal) {
      this.#io.err(`\r\x1b[K${progress.done ? '' : readingText(progress)}`);
      this.#open = !progress.done;
      return;
    }
    this.#reading ??= now;
    if (!progress.done && now - this.#reading >= QUIET_SECONDS) {
      this.#io.err(`${readingText(progress)}\n`);
      this.#reading = now;
    }
    if (progress.done) this.#reading = null;
  }

  /** A line of its own. */
  line(text: string): void {
    this.end();
    this.#io.err(`${visible(text)}\n`);
  }

  /** Leaves the line that is written over. */
  end(): void {
    if (this.#open) this.#io.err('\n');
    this.#open = false;
  }

  #text({ step, loss, lr, groupRates, finite, tokens }: StepRow, total: number): string {
    const unit = tokens > 0 ? 'tokens/s' : 'examples/s';
    const left = duration((total - step) * this.#seconds);
    const skipped = finite ? '' : '  skipped: gradients overflowed';
    return `step ${num(step)}/${num(total)}  loss ${loss.toFixed(4)}  lr ${lr.toExponential(2)}${ratesText(groupRates)}  ${num(Math.round(this.#rate))} ${unit}  ${left} left${skipped}`;
  }
}

/** Rates of groups that have their own: ` (B$ 1.60e-3)`. */
function ratesText(rates: StepRow['groupRates'] = new Map()): string {
  const each = [...rates].map(([pattern, rate]) => `${visible(pattern)} ${rate.toExponential(2)}`);
  return each.length === 0 ? '' : ` (${each.join(', ')})`;
}

function readingText({ file, rows, bytes, size }: ReadProgress): string {
  const megabytes = (count: number) => (count / 1e6).toFixed(1);
  const of = size === null ? '' : ` of ${megabytes(size)}`;
  return `reading ${visible(basename(file))}: ${count(rows, 'row')}, ${megabytes(bytes)}${of} MB`;
}

/** Seconds as a person says them. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
