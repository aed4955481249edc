import { main } from '../../cli/program.js';
import { BACK_ENDS, type BackEnd } from '../../src/backends/backend.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Commands that start a process for graphs, where they are not told to run them in their own. */
const WITH_GRAPHS: ReadonlySet<string | undefined> = new Set(['tune', 'train', 'eval']);

/**
 * Runs a command line in this process, training graphs too: starting another takes longer than most tests. Graphs get one
 * thread, unless told otherwise: those of ONNX Runtime wait for each other by turning round, which takes another core.
 */
export const lotrc = (...argv: readonly string[]): Promise<CliResult> =>
  command(WITH_GRAPHS.has(argv[0]) ? [...argv, '--in-process', ...oneThread(argv)] : argv);

const oneThread = (argv: readonly string[]) => (argv.includes('--threads') ? [] : ['--threads', '1']);

/** Runs a command line in this process as it is. */
export const command = (argv: readonly string[]): Promise<CliResult> => lotrcWith(BACK_ENDS, argv);

/** The same with the given back ends in place of those that users have. */
export async function lotrcWith(backEnds: readonly BackEnd[], argv: readonly string[]): Promise<CliResult> {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
  };
  const code = await main(argv, io, backEnds);
  return { code, out, err };
}

/** Splits a command line at spaces; single and double quotes hold words together. */
export function words(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_all, single?: string, double?: string) => single ?? double ?? ''),
  );
}
