/** The data that the training loop writes to its logs. */
export interface TrainingLog {
  step(row: StepRow): void;
  evaluation(row: EvaluationRow): void;
  /** a checkpoint was written: the log must be on disk */
  checkpoint(): void;
  close(): void;
}

export interface StepRow {
  /** completed steps, this one included */
  readonly step: number;
  /** passes over the data, with its fraction */
  readonly epoch: number;
  readonly loss: number;
  readonly lr: number;
  /** of groups of parameters that do not learn at the rate of the run, by their pattern */
  readonly groupRates?: ReadonlyMap<string, number>;
  /** global norm of the gradients before clipping */
  readonly norm: number;
  /** false: the gradients overflowed and nothing changed */
  readonly finite: boolean;
  readonly lossScale: number;
  readonly examples: number;
  /** 0 where tokens are not counted */
  readonly tokens: number;
  /** time of the step */
  readonly seconds: number;
}

export interface EvaluationRow {
  readonly step: number;
  /** by name: the loss, other metrics, the F1 of a class */
  readonly values: ReadonlyMap<string, number>;
}
