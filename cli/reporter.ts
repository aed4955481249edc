import { type Diagnostic, formatDiagnostic } from '../src/ir/diagnostics.js';
import { visibleLines } from '../src/ir/visible.js';
import type { Io } from './io.js';

export type DiagnosticsFormat = 'text' | 'json';

/**
 * Takes the diagnostics of one run to stderr: as text, each when it comes, or as one JSON document
 * `{"version":1,"diagnostics":[...]}` at the end.
 */
export class Reporter {
  #all: Diagnostic[] = [];

  constructor(
    readonly io: Io,
    readonly format: DiagnosticsFormat,
  ) {}

  report(diagnostics: Diagnostic | readonly Diagnostic[]): void {
    const list = Array.isArray(diagnostics)
      ? (diagnostics as readonly Diagnostic[])
      : [diagnostics as Diagnostic];
    for (const diagnostic of list) {
      this.#all.push(diagnostic);
      if (this.format === 'text') this.io.err(`${formatDiagnostic(diagnostic)}\n`);
    }
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
}
