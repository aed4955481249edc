/**
 * `lotrc/core`: the compiler without files and processes, for browsers and their workers. The same functions as `lotrc`
 * where they work on models; reading takes bytes, Blobs and URLs in place of paths.
 */

export { type GroupRow, PLAN_KEY, type PlanRow, type SavedPlan, type SiteRow } from './adapter/saved-plan.js';
export type { DirectoryRequest } from './backends/onnx-train/directory.js';
export * from './compiler.js';
export {
  encodeSafetensors,
  openSafetensors as readSafetensors,
} from './core/adapters.js';
export { type OpenedModel, type OpenOptions, openModel, readGiven as readModel } from './core/models.js';
export { type BlobLike, openSource, type SourceInput } from './core/sources.js';
export { emitIntoMemory as emitTraining, type TrainingFiles } from './core/training.js';
export type { ByteSource } from './ir/carried.js';
export {
  type Code,
  type Diagnostic,
  formatDiagnostic,
  LotrcError,
  type Place,
  type Severity,
} from './ir/diagnostics.js';
export type { Safetensors } from './ir/files/safetensors-format.js';
export { encodeModel } from './ir/onnx/plan-output.js';
export { readModelBytes } from './ir/onnx/read.js';
