import { CommanderError } from 'commander';
import { buildProgram, type Run } from '../../cli/program.js';
import { Reporter } from '../../cli/reporter.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { visibleLines } from '../../src/ir/visible.js';

/** What no line of a message may hold: control characters, and those that turn text around. */
const CONTROL = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

/** What ends a command where its graphs would be loaded. */
class Enough extends Error {}

export interface Ended {
  readonly code: 0 | 1 | 2;
  /** codes of the diagnostics, errors first */
  readonly codes: readonly string[];
  readonly out: string;
}

/**
 * Runs command lines of lotrc in this process, with one parser for all: making it takes longer than most inputs do. Throws what
 * is a defect, as `refusal` does, and when a message has characters that control the terminal.
 */
export class Commands {
  #out = '';
  #seen: string[] = [];
  #enough: RegExp | null = null;
  readonly #run: Run = {
    io: { out: (text) => void (this.#out += visibleLines(text)), err: (text) => this.#message(text) },
    reporter: new Reporter({ out: () => undefined, err: () => undefined }, 'text'),
    exitCode: 0,
  };
  readonly #program = buildProgram(this.#run);

  /** `enough`: a message after which the command is not to go on. */
  async run(argv: readonly string[], enough: RegExp | null = null): Promise<Ended> {
    this.#out = '';
    this.#seen = [];
    this.#enough = enough;
    // a reporter keeps what it reported
    Object.assign(this.#run, { reporter: new Reporter(this.#run.io, 'text'), exitCode: 0 });
    try {
      await (await this.#program).parseAsync([...argv], { from: 'user' });
    } catch (error) {
      if (error instanceof CommanderError) return { code: 2, codes: ['usage'], out: this.#out };
      if (!(error instanceof Enough)) {
        const codes = refusal(error);
        this.#run.reporter.report((error as LotrcError).diagnostics);
        return { code: 1, codes, out: this.#out };
      }
    }
    const { exitCode, reporter } = this.#run;
    const code = exitCode === 0 && reporter.hasErrors ? 1 : exitCode;
    if (code !== 0 && code !== 1) throw new Error(`lotrc ${argv.join(' ')} ended with ${code}`);
    return { code, codes: this.#seen, out: this.#out };
  }

  #message(text: string): void {
    const odd = CONTROL.exec(text);
    if (odd) throw new Error(`a message holds ${JSON.stringify(odd[0])}: ${JSON.stringify(text)}`);
    this.#seen.push(...[...text.matchAll(/^(?:error|warning|note) (LOTR\d{4})/gm)].map(([, code]) => code!));
    if (this.#enough?.test(text)) throw new Enough();
  }
}

/** The codes of a refusal. Throws the error on when it is none, or a diagnostic about a defect of lotrc. */
function refusal(error: unknown): readonly string[] {
  if (!(error instanceof LotrcError)) throw error;
  const codes = error.diagnostics.map(({ code }) => code);
  // a pass that fails with an error of its own says so in a diagnostic: that is a defect too
  if (codes.length === 0 || codes.some((code) => code.startsWith('LOTR9'))) throw error;
  return codes;
}

/** The steps that are done with an input, and the codes of the diagnostics that they ended in. */
export class Steps {
  readonly codes: string[] = [];

  constructor(readonly commands: Commands) {}

  /** What a function gives; null when it refuses. */
  try<T>(run: () => T): T | null {
    try {
      return run();
    } catch (error) {
      this.codes.push(refusal(error)[0]!);
      return null;
    }
  }

  /** The same of a promise. */
  async wait<T>(run: () => Promise<T>): Promise<T | null> {
    try {
      return await run();
    } catch (error) {
      this.codes.push(refusal(error)[0]!);
      return null;
    }
  }

  /** Whether a command line was accepted; what it printed is in `out`. */
  async command(argv: readonly string[], enough: RegExp | null = null): Promise<Ended> {
    const ended = await this.commands.run(argv, enough);
    if (ended.code !== 0) this.codes.push(ended.codes[0] ?? 'none');
    return ended;
  }

  /** Throws unless two values have the same text: what a writer wrote must read as what it was. */
  same(what: string, a: string, b: string): void {
    if (a === b) return;
    let at = 0;
    while (a[at] === b[at]) at++;
    const part = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 60), at + 60));
    throw new Error(`${what} is not what was read: ${part(a)} and ${part(b)}`);
  }
}
