/** `lotrc/runtime`: training and adapters in the caller's ONNX Runtime, in pages and in Node. Imports nothing of Node. */

export { type Diagnostic, LotrcError } from '../ir/diagnostics.js';
export type { Evaluation } from '../train/evaluate.js';
export type { StepRates } from '../train/group-rates.js';
export { learningRate, type RateSchedule } from '../train/schedule.js';
export type { Signature } from '../train/signature.js';
export { AdapterSession, type GivenModel } from './adapter-session.js';
export type { GivenBatch, GivenNumbers } from './batch.js';
export type { AbortLike, FileProgress, GivenBytes, GivenFiles, ReadOptions } from './files.js';
export type { OrtModule, OrtSessionLike, OrtTensorLike } from './ort-like.js';
export {
  type GivenTraining,
  GivenTrainingRun as TrainingRun,
  type StepOptions,
  type TakenStep,
} from './training.js';
