import { inTurns, type Steps } from '../cli/bench/turns.js';
import { lastJsonOf } from './measure.js';

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
export function alternate({ name, columns }: Case, repeat: number): void {
  const timed = inTurns(
    columns.map(({ who, command }) => ({ who, measure: () => lastJsonOf(command) as Steps })),
    repeat,
  );
  console.log(name);
  const first = timed[0]!;
  for (const { who, median, least, most, ratio, peak, peakRatio } of timed) {
    const memory = peak === null ? '' : `; peak ${peak} MB, ${peakRatio!.toFixed(2)} of it`;
    console.log(
      `  ${who.padEnd(28)} ${median.toFixed(3)} s a step (${least.toFixed(3)} to ${most.toFixed(3)}), ${ratio.toFixed(2)} of ${first.who}${memory}`,
    );
  }
}
