/** What `lotrc` and `lotrc/core` have in common: the compiler over models, wherever their bytes come from. */

export type { AdapterSpec, FactorSpec, Init } from './adapter/description.js';
export { METHODS } from './adapter/methods/index.js';
export { LORA } from './adapter/methods/lora.js';
export { LOTR } from './adapter/methods/lotr.js';
export { TRAIN_DEFAULTS, type TrainOptions } from './backends/onnx-train/options.js';
export { type InitOptions, initFactors, parseInit, printInit } from './init/index.js';
export { type InspectGroup, type InspectReport, type InspectSite, inspect, inspectJson } from './inspect.js';
export { formatInspect, type InspectTotals, inspectTotals } from './inspect-format.js';
export { type BindOptions, type BoundAdapter, bindAdapter } from './interop/bind.js';
export type { ForeignAdapter, ForeignLayer, ForeignWeight } from './interop/foreign.js';
export type { DType } from './ir/dtype.js';
export { Graph, GraphFunction, Model, Node, Value } from './ir/model.js';
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
export type { Signature } from './train/signature.js';
