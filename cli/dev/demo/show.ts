import { processIo } from '../../io.js';
import { main } from '../../program.js';

/** Output of the demo. Its lines go to stdout; a check that fails makes the exit code 1. */
export class Show {
  /** names of files that are shown shorter */
  constructor(readonly short: ReadonlyMap<string, string>) {}

  say(text = ''): void {
    processIo.out(`${text}\n`);
  }

  heading(text: string): void {
    this.say(`\n${text}\n`);
  }

  check(held: boolean, what: string): void {
    this.say(`   ${held ? 'ok' : 'FAILED'}: ${what}`);
    if (!held) process.exitCode = 1;
  }

  /** Runs a command as the command line would, and shows it with those lines of its output that are wanted. */
  async run(argv: readonly string[], wanted = /^/): Promise<void> {
    this.say(`$ lotrc ${this.#shorten(argv.join(' '))}`);
    let text = '';
    await command(argv, (part) => {
      text += part;
    });
    const lines = text.trimEnd().split('\n');
    this.say(elided(lines.filter((line) => wanted.test(line)).map((line) => this.#shorten(line))).join('\n'));
  }

  #shorten(text: string): string {
    return [...this.short].reduce((all, [long, name]) => all.replaceAll(long, name), text);
  }
}

/** Runs a command without showing it. Throws a plain Error when it fails; its diagnostics are on stderr. */
export async function command(
  argv: readonly string[],
  out: (text: string) => void = () => {},
): Promise<void> {
  const code = await main(argv, { out, err: processIo.err });
  if (code !== 0) throw new Error(`lotrc ${argv[0]} ended with exit code ${code}`);
}

/** Of a list of indented lines only the first two. */
function elided(lines: readonly string[]): readonly string[] {
  const listed = (at: number) => lines[at]?.startsWith('  ') ?? false;
  const long = (at: number) => listed(at) && listed(at - 1) && listed(at - 2);
  return lines.flatMap((line, at) => (long(at) ? (long(at - 1) ? [] : ['  ...']) : [line]));
}
