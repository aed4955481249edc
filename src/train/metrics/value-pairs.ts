/** Predicted numbers and the label of each, as plain data. */
export interface ValueRows {
  readonly predicted: Float32Array;
  readonly labels: Float32Array;
}

/**
 * Predicted numbers and their labels: two float32 for each row, of which ranks need all. Correlations are computed in
 * float64; they are NaN where one side has a single value.
 */
export class ValuePairs {
  #size = 0;
  #predicted = new Float32Array(64);
  #labels = new Float32Array(64);

  /** Numbers with a label each; labels of `ignored` do not count. */
  add(predicted: ArrayLike<number>, labels: ArrayLike<number>, ignored: number | undefined): void {
    for (let row = 0; row < labels.length; row++) {
      if (labels[row] === ignored) continue;
      if (this.#size === this.#labels.length) this.#grow();
      this.#predicted[this.#size] = predicted[row]!;
      this.#labels[this.#size] = labels[row]!;
      this.#size++;
    }
  }

  get rows(): ValueRows {
    return { predicted: this.#held(this.#predicted).slice(), labels: this.#held(this.#labels).slice() };
  }

  /** Pearson's r. */
  pearson(): number {
    return correlation(this.#held(this.#predicted), this.#held(this.#labels));
  }

  /** Spearman's rho: Pearson's r of the ranks, equal values with the mean of their ranks. */
  spearman(): number {
    return correlation(ranks(this.#held(this.#predicted)), ranks(this.#held(this.#labels)));
  }

  #held(values: Float32Array): Float32Array {
    return values.subarray(0, this.#size);
  }

  #grow(): void {
    const grown = (before: Float32Array) => {
      const after = new Float32Array(2 * before.length);
      after.set(before);
      return after;
    };
    this.#predicted = grown(this.#predicted);
    this.#labels = grown(this.#labels);
  }
}

type Numbers = Float32Array | Float64Array;

function correlation(a: Numbers, b: Numbers): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [both, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB];
    both += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  const r = both / (Math.sqrt(ofA) * Math.sqrt(ofB));
  return Math.max(-1, Math.min(1, r));
}

function mean(values: Numbers): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Ranks from 1; NaN for all where a value is NaN, which has no place. */
function ranks(values: Numbers): Float64Array {
  const ranked = new Float64Array(values.length);
  if (values.some(Number.isNaN)) return ranked.fill(Number.NaN);
  const order = Uint32Array.from(values, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  for (let start = 0; start < order.length; ) {
    const value = values[order[start]!];
    let end = start + 1;
    while (end < order.length && values[order[end]!] === value) end++;
    for (const index of order.subarray(start, end)) ranked[index] = (start + 1 + end) / 2;
    start = end;
  }
  return ranked;
}
