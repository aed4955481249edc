import { allCodes, type Diagnostic, formatDiagnostic } from '../src/ir/diagnostics.js';
import { visibleLines } from '../src/ir/visible.js';
import { gathered } from './gather.js';
import type { Colour, Io } from './io.js';
import { wrap } from './wrap.js';

export type DiagnosticsFormat = 'text' | 'json';

/** How much is said: errors and warnings; remarks too, equal ones once; everything, with what it means. */
export type Level = 'quiet' | 'usual' | 'verbose';

const COLOURS: Readonly<Record<Diagnostic['severity'], Colour>> = {
  error: 'red',
  warning: 'yellow',
  remark: 'cyan',
};

/**
 * Takes the diagnostics of one run to stderr: as text, each when it comes, or as one JSON document
 * `{"version":1,"diagnostics":[...]}` at the end, which has them all.
 */
export class Reporter {
  #all: Diagnostic[] = [];
  #heading = '';
  readonly #explained = new Set<string>();

  constructor(
    readonly io: Io,
    readonly format: DiagnosticsFormat,
    readonly level: Level = 'usual',
  ) {}

  report(diagnostics: Diagnostic | readonly Diagnostic[]): void {
    const list = Array.isArray(diagnostics)
      ? (diagnostics as readonly Diagnostic[])
      : [diagnostics as Diagnostic];
    this.#all.push(...list);
    if (this.format === 'json') return;
    const shown = this.level === 'quiet' ? list.filter(({ severity }) => severity !== 'remark') : list;
    for (const one of this.level === 'verbose' ? shown : gathered(shown)) {
      this.io.err(`${this.#heading}${this.#text(one)}\n`);
      this.#heading = '';
    }
  }

  /** A line to write ahead of the next diagnostic, as text: one write takes both, so nothing that other processes write comes between. */
  announce(line: string): void {
    if (this.format === 'text') this.#heading = `${line}\n`;
  }

  /** what was reported so far */
  get all(): readonly Diagnostic[] {
    return this.#all;
  }

  get hasErrors(): boolean {
    return this.#all.some(({ severity }) => severity === 'error');
  }

  /** Writes what is still held back. Call once. */
  end(): void {
    if (this.format === 'json') {
      this.io.err(visibleLines(`${JSON.stringify({ version: 1, diagnostics: this.#all }, null, 2)}\n`));
    }
  }

  #text(diagnostic: Diagnostic): string {
    const { code, severity } = diagnostic;
    const head = `${severity} ${code}:`;
    const { coloured } = this.io;
    const text = formatDiagnostic(diagnostic);
    const shown = coloured ? coloured(COLOURS[severity], head) + text.slice(head.length) : text;
    if (this.level !== 'verbose' || this.#explained.has(code)) return shown;
    this.#explained.add(code);
    const info = allCodes().find((one) => one.code === code);
    return info ? `${shown}\n${wrap(info.explain, 96).replace(/^/gm, '  | ')}` : shown;
  }
}
