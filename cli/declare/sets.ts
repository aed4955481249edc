import { BACK_ENDS, type BackEnd } from '../../src/backends/backend.js';
import { DOCTOR } from '../../src/backends/doctor/option-set.js';
import { ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import { gpuOptions } from '../../src/backends/option-set.js';
import { BENCH } from '../../src/backends/ort/option-set.js';
import { TUNE } from '../../src/build/tune-set.js';
import type { OptionSet } from '../../src/options/define.js';
import {
  APPLY,
  COMBINE,
  COMPRESS,
  CONVERT,
  EXTRACT,
  MERGE,
  REWRITE,
  STRIP,
} from '../../src/options/sets/adapters.js';
import { BUILD, CHECK, DIFF, INIT } from '../../src/options/sets/build.js';
import {
  EXPLAIN,
  INSPECT,
  METHODS_SHOWN,
  PASSES,
  PRINT,
  RUN,
  SHOW_LOGS,
  TO_PARQUET,
  VERIFY,
} from '../../src/options/sets/models.js';
import { SWEEP, TABLE } from '../../src/options/sets/study.js';
import { EVAL, TRAIN } from '../../src/train/option-set.js';

/** The options of every command by its words, for documents and the schema; all commands have `COMMON` besides. */
export function setsByCommand(backEnds: readonly BackEnd[] = BACK_ENDS): ReadonlyMap<string, OptionSet> {
  return new Map<string, OptionSet>([
    ['inspect', INSPECT],
    ['print', PRINT],
    ['verify', VERIFY],
    ['run', RUN],
    ['rewrite', REWRITE],
    ['merge', MERGE],
    ['extract', EXTRACT],
    ['apply', APPLY],
    ['convert', CONVERT],
    ['combine', COMBINE],
    ['compress', COMPRESS],
    ['strip', STRIP],
    ['emit onnx-train', ONNX_TRAIN],
    ...backEnds.map((backEnd) => [`emit ${backEnd.name}`, gpuOptions(backEnd)] as const),
    ['doctor', DOCTOR],
    ['tune', TUNE],
    ['train', TRAIN],
    ['eval', EVAL],
    ['sweep', SWEEP],
    ['table', TABLE],
    ['bench', BENCH],
    ['init', INIT],
    ['build', BUILD],
    ['check', CHECK],
    ['diff', DIFF],
    ['logs show', SHOW_LOGS],
    ['logs to-parquet', TO_PARQUET],
    ['methods', METHODS_SHOWN],
    ['passes', PASSES],
    ['explain', EXPLAIN],
  ]);
}
