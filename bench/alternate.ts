import { lastJsonOf, median } from './measure.js';

/** What one process prints: seconds of a step, MB of resident memory at most. */
export interface Steps {
  readonly step_s: number;
  readonly peak_mb?: number;
}

export interface BenchColumn {
  readonly who: string;
  readonly command: readonly string[];
}

/** Commands to compare. The first column is what the others are compared with. */
export interface Case {
  readonly name: string;
  readonly columns: readonly BenchColumn[];
}

/** Runs all columns in alternation and prints medians, spreads, and ratios of neighbouring runs to the first. */
export function alternate({ name, columns: given }: Case, repeat: number): void {
  const columns = given.map((column) => ({ ...column, runs: [] as Steps[] }));
  for (let i = 0; i < repeat; i++)
    for (const { command, runs } of columns) runs.push(lastJsonOf(command) as Steps);
  console.log(name);
  const first = columns[0]!;
  for (const { who, runs } of columns) {
    const times = runs.map((run) => run.step_s);
    const span = `${Math.min(...times).toFixed(3)} to ${Math.max(...times).toFixed(3)}`;
    const ratio = (of: (run: Steps) => number) =>
      median(runs.map((run, i) => of(run) / of(first.runs[i]!))).toFixed(2);
    const peaks = runs.flatMap(({ peak_mb }) => (peak_mb === undefined ? [] : [peak_mb]));
    const memory =
      peaks.length < runs.length
        ? ''
        : `; peak ${Math.max(...peaks)} MB, ${ratio((run) => run.peak_mb!)} of it`;
    console.log(
      `  ${who.padEnd(28)} ${median(times).toFixed(3)} s a step (${span}), ${ratio((run) => run.step_s)} of ${first.who}${memory}`,
    );
  }
}
