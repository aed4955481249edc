import { CommanderError } from 'commander';
import { usage } from '../src/ir/codes/cli.js';
import { type Diagnostic, LotrcError } from '../src/ir/diagnostics.js';

/** Exit codes. After a signal it is that of shells. */
export const EXIT = { ok: 0, diagnostics: 1, usage: 2, internal: 70, interrupted: 130 } as const;

/** What each code says, for `--help` and documents. */
export const EXIT_MEANINGS: readonly (readonly [keyof typeof EXIT, string])[] = [
  ['ok', 'success'],
  ['diagnostics', 'error diagnostics, or what was compared differs'],
  ['usage', 'usage error'],
  ['internal', 'internal error'],
  ['interrupted', 'interrupted by Ctrl-C'],
];

/** What is said of an error that ends a command, and its exit code. */
export async function failureOf(
  error: unknown,
  argv: readonly string[],
): Promise<{ readonly diagnostics: readonly Diagnostic[]; readonly exitCode: number }> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { diagnostics: [], exitCode: EXIT.ok }; // help was requested and shown
    const [problem, suggestion] = error.message.replace(/^error: /, '').split('\n');
    const said = usage({ problem: problem!, hint: hintOf(suggestion) });
    return { diagnostics: [said], exitCode: EXIT.usage };
  }
  if (error instanceof LotrcError) {
    const ours = error.diagnostics.some(({ code }) => code.startsWith('LOTR9'));
    const words = error.diagnostics.some(({ code }) => code === usage.code);
    const exitCode = ours ? EXIT.internal : words ? EXIT.usage : EXIT.diagnostics;
    return { diagnostics: error.diagnostics, exitCode };
  }
  const { crashReport } = await import('./crash.js');
  return { diagnostics: [crashReport(error, argv)], exitCode: EXIT.internal };
}

function hintOf(suggestion: string | undefined): string | undefined {
  return suggestion
    ? suggestion.replace(/^\((.*)\)$/, '$1').replace('Did you mean', 'did you mean')
    : undefined;
}
