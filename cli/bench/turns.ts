/** What one process prints: seconds of a step, MB of resident memory at most. */
export interface Steps {
  readonly step_s: number;
  readonly peak_mb?: number;
}

/** Something to time: `measure` starts a process, and gives what it prints. */
export interface TimedColumn {
  readonly who: string;
  measure(): Steps;
}

/** What was measured of a column. Ratios are to the first column, each of neighbouring runs. */
export interface Timed {
  readonly who: string;
  /** seconds, median of the processes */
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly ratio: number;
  readonly leastRatio: number;
  readonly mostRatio: number;
  /** MB, the largest; null where a process did not say it */
  readonly peak: number | null;
  readonly peakRatio: number | null;
}

/** Runs all columns in turns, `repeat` times: what a machine does besides meets all of them. */
export function inTurns(columns: readonly TimedColumn[], repeat: number): readonly Timed[] {
  const found = columns.map((column) => ({ ...column, runs: [] as Steps[] }));
  for (let i = 0; i < repeat; i++) for (const { measure, runs } of found) runs.push(measure());
  const first = found[0]!;
  return found.map(({ who, runs }) => {
    const times = runs.map(({ step_s }) => step_s);
    const ratios = runs.map(({ step_s }, i) => step_s / first.runs[i]!.step_s);
    const peaks = runs.flatMap(({ peak_mb }) => (peak_mb === undefined ? [] : [peak_mb]));
    const all = peaks.length === runs.length;
    return {
      who,
      median: median(times),
      least: Math.min(...times),
      most: Math.max(...times),
      ratio: median(ratios),
      leastRatio: Math.min(...ratios),
      mostRatio: Math.max(...ratios),
      peak: all ? Math.max(...peaks) : null,
      peakRatio: all ? median(runs.map((run, i) => run.peak_mb! / first.runs[i]!.peak_mb!)) : null,
    };
  });
}

/** Of an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
