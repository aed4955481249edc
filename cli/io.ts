/** Where a command writes: `out` takes its result, `err` diagnostics and progress. Tests collect both. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
}

/** The two streams of this process. */
export const processIo: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};
