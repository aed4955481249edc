/** The public API of lotrc: everything that the command line does. */

export {
  type Carry,
  type GroupRow,
  type Lowering,
  PLAN_KEY,
  type PlanRow,
  type SavedPlan,
  type ShareRule,
  type SiteRow,
} from './adapter/saved-plan.js';
export { type EmitRequest, type Emitted, emitTraining } from './backends/onnx-train/emit.js';
export { type ChosenBaseDtype, chooseBaseDtype } from './backends/onnx-train/int8/choose.js';
export {
  type CompareOptions,
  type Comparison,
  compareModels,
  type OutputDifference,
  type Side,
} from './backends/ort/compare.js';
export * from './compiler.js';
export {
  type AdapterFormat,
  type Converted,
  type ConvertOptions,
  convertAdapter,
  formatOf,
} from './interop/convert.js';
export { type AnyAdapter, openAdapter } from './interop/open.js';
export { readPeft } from './interop/peft-read.js';
export {
  allCodes,
  type Code,
  type Diagnostic,
  formatDiagnostic,
  LotrcError,
  type Place,
  type Severity,
} from './ir/diagnostics.js';
export { type Output, writeAtomically } from './ir/files/atomic.js';
export {
  type OnnxAdapter,
  onnxAdapterOutput,
  readOnnxAdapter,
  writeOnnxAdapter,
} from './ir/files/onnx-adapter.js';
export {
  readSafetensors,
  type Safetensors,
  safetensorsOutput,
  writeSafetensors,
} from './ir/files/safetensors.js';
export { filesOf } from './ir/files-of.js';
export { readModel, readModelBytes } from './ir/onnx/reader.js';
export {
  encodeModel,
  planModel,
  type WeightsMode,
  type WriteOptions,
  type WriteReport,
  writeModel,
} from './ir/onnx/writer.js';
export { type Evaluation, evaluateDataset } from './train/evaluate.js';
export type { StepRates } from './train/group-rates.js';
export type { EvaluationRow, StepRow, TrainingLog } from './train/log.js';
export { type FindOptions, type FoundLogs, readLogs } from './train/logs/find.js';
export type { Setting, Settings } from './train/logs/hparams.js';
export { type ParquetLayout, type ParquetOptions, parquetOutput } from './train/logs/parquet.js';
export { reportHtml } from './train/logs/report.js';
export type { Log, LogRow } from './train/logs/rows.js';
export { TrainingRun, type TrainingRunOptions } from './train/run.js';
export { type TrainEvents, type Trained, type TrainRequest, train } from './train/train.js';
export type { Batch, StepResult } from './train/training-steps.js';
