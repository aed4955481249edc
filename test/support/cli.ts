import { main } from '../../cli/program.js';
import { BACK_ENDS, type BackEnd } from '../../src/backends/backend.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process. */
export const lotrc = (...argv: readonly string[]): Promise<CliResult> => lotrcWith(BACK_ENDS, argv);

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
