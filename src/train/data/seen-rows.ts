import { truncated } from '../../ir/codes/train.js';
import { noEnd, nothingLeft, wordsWithoutTokens } from '../../ir/codes/train-data.js';
import type { Diagnostic } from '../../ir/diagnostics.js';

/** What is to be said of the rows of a data set when all were made. */
export class SeenRows {
  /** examples of which nothing is left to predict */
  lost = 0;
  /** no token is known that ends texts, and none was declined */
  endless = false;
  /** words with a tag and without a token */
  wordless = 0;
  #count = 0;
  #cut = 0;
  #longest = 0;

  /** `full`: tokens of a row before it was cut */
  add(rows: readonly { readonly ids: ArrayLike<number>; readonly full: number }[]): void {
    this.#count += rows.length;
    for (const { ids, full } of rows) {
      if (full <= ids.length) continue;
      this.#cut++;
      this.#longest = Math.max(this.#longest, full);
    }
  }

  /** `max`: tokens of the longest row */
  notes(file: string, max: number): readonly Diagnostic[] {
    const notes: Diagnostic[] = [];
    const [count, total, longest] = [this.#cut, this.#count, this.#longest];
    if (count > 0) notes.push(truncated({ file, count, total, max, longest }));
    if (this.lost > 0) notes.push(nothingLeft({ file, count: this.lost, max }));
    if (this.endless) notes.push(noEnd({ file }));
    if (this.wordless > 0) notes.push(wordsWithoutTokens({ file, count: this.wordless }));
    return notes;
  }
}
