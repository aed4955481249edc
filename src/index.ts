/** The public API of lotrc: everything that the command line does. */

export type { AdapterSpec, FactorSpec, Init } from './adapter/description.js';
export { METHODS } from './adapter/methods/index.js';
export { LORA } from './adapter/methods/lora.js';
export { LOTR } from './adapter/methods/lotr.js';
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
export { TRAIN_DEFAULTS, type TrainOptions } from './backends/onnx-train/options.js';
export {
  type CompareOptions,
  type Comparison,
  compareModels,
  type OutputDifference,
  type Side,
} from './backends/ort/compare.js';
export { type InitOptions, initFactors, parseInit, printInit } from './init/index.js';
export { type InspectGroup, type InspectReport, type InspectSite, inspect, inspectJson } from './inspect.js';
export { formatInspect, type InspectTotals, inspectTotals } from './inspect-format.js';
export { type BindOptions, type BoundAdapter, bindAdapter } from './interop/bind.js';
export {
  type AdapterFormat,
  type Converted,
  type ConvertOptions,
  convertAdapter,
  formatOf,
} from './interop/convert.js';
export type { ForeignAdapter, ForeignLayer, ForeignWeight } from './interop/foreign.js';
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
export type { DType } from './ir/dtype.js';
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
export { Graph, GraphFunction, Model, Node, Value } from './ir/model.js';
export { readModel, readModelBytes } from './ir/onnx/reader.js';
export {
  encodeModel,
  planModel,
  type WeightsMode,
  type WriteOptions,
  type WriteReport,
  writeModel,
} from './ir/onnx/writer.js';
export { type Dim, type Shape, tensorType, type ValueType } from './ir/shape.js';
export { ComputedTensor, f32Tensor, i64Tensor, MemoryTensor, type TensorData } from './ir/tensor.js';
export { type PrintOptions, parseModel, printModel } from './ir/text/index.js';
export { encodeFloats, toF32, toF64, toIntegers } from './ir/values.js';
export { assertValid, verify } from './ir/verify.js';
export { mergeUnmergedLora } from './passes/adapters/merge-unmerged.js';
export type { BoundPass, PassContext, PassDef, PassFactory } from './passes/pass.js';
export {
  definePass,
  type PassTiming,
  type Pipeline,
  type PipelineHooks,
  parsePipeline,
  pipelineOf,
  type RunOptions,
  runPipeline,
} from './passes/pipeline.js';
export { ALL_PASSES } from './passes/registry.js';
export { countLora, countTrainable } from './passes/sites/counts.js';
export type { SelectOptions } from './passes/sites/plan.js';
export {
  type Adapter,
  apply,
  extract,
  merge,
  type RewriteOptions,
  type RewriteResult,
  rewrite,
  rewritePipeline,
  strip,
} from './rewrite.js';
export { type Evaluation, evaluateDataset } from './train/evaluate.js';
export type { EvaluationRow, StepRow, TrainingLog } from './train/log.js';
export { type FindOptions, type FoundLogs, readLogs } from './train/logs/find.js';
export type { Setting, Settings } from './train/logs/hparams.js';
export { type ParquetLayout, parquetOutput } from './train/logs/parquet.js';
export { reportHtml } from './train/logs/report.js';
export type { Log, LogRow } from './train/logs/rows.js';
export { TrainingRun, type TrainingRunOptions } from './train/run.js';
export type { Signature } from './train/signature.js';
export { type TrainEvents, type Trained, type TrainRequest, train } from './train/train.js';
export type { Batch, StepResult } from './train/training-steps.js';
