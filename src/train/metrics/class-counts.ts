/** What is reported of each class. */
export interface ClassScore {
  /** number of the class */
  readonly class: number;
  /** share of the predictions of the class that are right; 0 without predictions */
  readonly precision: number;
  /** share of the labels of the class that are predicted; 0 without labels */
  readonly recall: number;
  readonly f1: number;
  /** labels of the class */
  readonly count: number;
}

/** What was counted, as plain data: numbers of labels that count and of right ones, and for each class right ones, predictions, labels. */
export interface CountedClasses {
  readonly total: number;
  readonly right: number;
  readonly each: readonly [hits: Float64Array, predicted: Float64Array, labels: Float64Array];
}

/**
 * Labels and predictions by class: three counts for each class, whatever the number of labels. The prediction is the class
 * of the largest logit, of equal ones the first; a row whose largest logit is NaN predicts no class.
 */
export class ClassCounts {
  /** labels that count */
  total = 0;
  /** of these, those that are predicted */
  right = 0;
  #hits = new Float64Array(0);
  #predicted = new Float64Array(0);
  #labels = new Float64Array(0);

  /** Rows of logits with a label each; labels of `ignored` do not count. */
  add(logits: ArrayLike<number>, labels: ArrayLike<number>, ignored: number | null): void {
    const classes = labels.length === 0 ? 0 : logits.length / labels.length;
    this.#grow(classes);
    for (let row = 0; row < labels.length; row++) {
      const label = labels[row]!;
      if (label === ignored) continue;
      const start = row * classes;
      let best = 0;
      for (let k = 1; k < classes; k++) if (logits[start + k]! > logits[start + best]!) best = k;
      this.total++;
      if (label >= 0 && label < classes) this.#labels[label]!++;
      if (Number.isNaN(logits[start + best])) continue;
      this.#predicted[best]!++;
      if (best !== label) continue;
      this.right++;
      this.#hits[best]!++;
    }
  }

  counted(): CountedClasses {
    const { total, right } = this;
    return { total, right, each: [this.#hits, this.#predicted, this.#labels] };
  }

  /** What several have counted together: whole numbers, so that the order does not matter. */
  static of(parts: readonly CountedClasses[]): ClassCounts {
    const all = new ClassCounts();
    for (const { total, right, each } of parts) {
      all.total += total;
      all.right += right;
      all.#grow(each[0].length);
      for (const [at, sums] of [all.#hits, all.#predicted, all.#labels].entries())
        for (const [k, count] of each[at]!.entries()) sums[k] = sums[k]! + count;
    }
    return all;
  }

  /** Precision, recall and F1 of each class. */
  scores(): readonly ClassScore[] {
    return Array.from(this.#hits, (hits, index) => {
      const [predicted, count] = [this.#predicted[index]!, this.#labels[index]!];
      return {
        class: index,
        precision: ratio(hits, predicted),
        recall: ratio(hits, count),
        f1: ratio(2 * hits, predicted + count),
        count,
      };
    });
  }

  /** Mean F1 of the classes that are labels or predictions. */
  macroF1(): number {
    const seen = this.scores().filter(({ class: k }) => this.#predicted[k]! + this.#labels[k]! > 0);
    return ratio(
      seen.reduce((sum, { f1 }) => sum + f1, 0),
      seen.length,
    );
  }

  /** Matthews' coefficient for any number of classes (Gorodkin 2004); 0 where labels or predictions are of one class. */
  matthews(): number {
    const sum = (term: (k: number) => number) => this.#hits.reduce((all, _, k) => all + term(k), 0);
    const both = sum((k) => this.#labels[k]! * this.#predicted[k]!);
    const predicted = sum((k) => this.#predicted[k]!);
    const ofPredicted = sum((k) => this.#predicted[k]! ** 2);
    const ofLabels = sum((k) => this.#labels[k]! ** 2);
    const spread = Math.sqrt(predicted ** 2 - ofPredicted) * Math.sqrt(this.total ** 2 - ofLabels);
    return ratio(this.right * this.total - both, spread);
  }

  #grow(classes: number): void {
    if (classes <= this.#hits.length) return;
    const grown = (before: Float64Array) => {
      const after = new Float64Array(classes);
      after.set(before);
      return after;
    };
    this.#hits = grown(this.#hits);
    this.#predicted = grown(this.#predicted);
    this.#labels = grown(this.#labels);
  }
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
