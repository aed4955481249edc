import type { EvaluationView, SampleView, StepView } from '../protocol.js';
import type { RunFile, RunStore, StoredRun } from './run-store.js';

/** A run of this visit: its last checkpoint and what was shown until then, in memory and, where there is one, in the store. */
export class KeptRun {
  steps: StepView[] = [];
  evaluations: EvaluationView[] = [];
  samples: SampleView[] = [];
  readonly #held = new Map<RunFile, Uint8Array>();
  /** the store has this run, and no other one */
  #stored = false;

  /** `store`: null where this browser keeps no files for a page. */
  constructor(
    readonly settings: StoredRun,
    readonly files: ReadonlyMap<string, Blob>,
    readonly store: RunStore | null,
  ) {}

  /** A run that the store has from an earlier visit. */
  static async from(
    settings: StoredRun,
    files: ReadonlyMap<string, Blob>,
    store: RunStore,
  ): Promise<KeptRun> {
    const run = new KeptRun(settings, files, store);
    run.#stored = true;
    const { steps, evaluations, samples } = (await store.rows()) ?? run;
    Object.assign(run, { steps: [...steps], evaluations: [...evaluations], samples: [...samples] });
    return run;
  }

  /** Forgets what was shown after a step: the run goes on from there. */
  cutAt(step: number): void {
    const until = <T extends { readonly step: number }>(rows: readonly T[]) =>
      rows.filter((row) => row.step <= step);
    this.steps = until(this.steps);
    this.evaluations = until(this.evaluations);
    this.samples = until(this.samples);
  }

  async bytes(name: RunFile): Promise<Uint8Array | null> {
    return this.#held.get(name) ?? (this.#stored ? await this.store!.bytes(name) : null);
  }

  async put(name: RunFile, bytes: Uint8Array): Promise<void> {
    this.#held.set(name, bytes);
    if (this.#stored) await this.store!.put(name, bytes);
  }

  /** Takes the place of the run that the store has: called before the first checkpoint. Throws LOTR1201. */
  async begin(): Promise<void> {
    if (this.#stored || !this.store) return;
    await this.store.clear();
    for (const [name, bytes] of this.#held) await this.store.put(name, bytes);
    await this.store.begin(this.settings, this.files);
    this.#stored = true;
  }

  /** What was shown, before the checkpoint that it leads to: rows after it are cut. */
  async putRows(): Promise<void> {
    const { steps, evaluations, samples } = this;
    if (this.#stored) await this.store!.putRows({ steps, evaluations, samples });
  }
}
