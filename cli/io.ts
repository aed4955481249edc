import { styleText } from 'node:util';

/** Where a command writes: `out` takes its result, `err` diagnostics and progress. Tests collect both. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** writes bytes where `out` writes text; absent: to stdout */
  bytes?(chunk: Uint8Array): void;
  /** A text for `err` in a colour, where it shows colours; absent: it does not. */
  coloured?(colour: Colour, text: string): string;
  /** whether a person reads `err` as it is written */
  readonly terminal?: boolean;
}

/** Colours of severities. */
export type Colour = 'red' | 'yellow' | 'cyan';

/** Whether stderr shows colours: as FORCE_COLOR or NO_COLOR says, else as the terminal can. */
function showsColours({ FORCE_COLOR: force, NO_COLOR: no } = process.env): boolean {
  if (force !== undefined) return force !== '0' && force !== 'false';
  return !no && process.stderr.isTTY === true && process.stderr.hasColors();
}

/** The two streams of this process. */
export const processIo: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  // styleText of Node 20 looks at no stream
  ...(showsColours()
    ? {
        coloured: (colour: Colour, text: string) =>
          styleText(['bold', colour], text, { validateStream: false }),
      }
    : {}),
  terminal: process.stderr.isTTY === true,
};
