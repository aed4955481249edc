/** Words that options take and that several layers know: each list once, types from the lists. */

/** `content`: equal stored matrices are one weight too; `initializer`: only layers that read one stored tensor. */
export const TIES = ['content', 'initializer'] as const;
export type Tie = (typeof TIES)[number];

/** Which layers share their outer factors: those of one shape, of one target or type, each alone, or so many blocks (`block=K`). */
const SHARES = ['shape', 'target', 'type', 'site'] as const;
export type ShareRule = (typeof SHARES)[number] | `block=${number}`;
/** A sharing rule; of `block=K` it finds K. */
export const SHARE_RULE = new RegExp(`^(?:${SHARES.join('|')}|block=0*([1-9]\\d*))$`, 'u');

const RANGE = String.raw`\s*(\d+)(?:\s*-\s*(\d+))?\s*`;
/** A layer number, or the first and the last of several. */
export const LAYER_RANGE = new RegExp(`^${RANGE}$`, 'u');
/** Layer numbers and ranges: `0-5,8`. */
export const LAYER_LIST = new RegExp(`^${RANGE}(?:,${RANGE})*$`, 'u');

/**
 * Where weights that lie in the base's files go.
 * - `keep` (default): external data is referred to where it lies when the output is in the same folder, else copied
 *   into a data file next to the output; inline data stays inline.
 * - `link`: every weight of 1 KiB and more is referred to where it lies in the base, inline ones included. Tensors of other
 *   files (the factors of an adapter file) are inline.
 * - `copy`: the output is self-contained: external data is copied into its own data file, inline data stays inline.
 * - `inline`: everything goes into the one output file.
 */
export const WEIGHTS_MODES = ['keep', 'link', 'copy', 'inline'] as const;
export type WeightsMode = (typeof WEIGHTS_MODES)[number];

/** How a model carries factors: as initializers, as required inputs, or as inputs with a default that adds nothing. */
export const CARRIES = ['embedded', 'inputs', 'optional'] as const;
export type Carry = (typeof CARRIES)[number];

/** Types that factors are stored in: float32, or the half precision that the layers compute in. */
export const FACTOR_DTYPES = ['f32', 'model'] as const;

/** How several processes that train together are connected. */
export const PROCESS_GROUPS = ['mpi'] as const;

/** Levels of ONNX Runtime's graph optimisation. */
export const GRAPH_OPTIMIZATIONS = ['disabled', 'basic', 'extended', 'all'] as const;
export type GraphOptimization = (typeof GRAPH_OPTIMIZATIONS)[number];

/** How Dropout in training mode is handled: masks that depend on the input `draw`, or inference mode. */
export const DROPOUT_MODES = ['seeded', 'off'] as const;

/** Activations that are computed again: none, those that cost little time, or all but the inputs of blocks. */
export const RECOMPUTES = ['none', 'cheap', 'block'] as const;

/** What products of training graphs with frozen matrices of the base are computed in. */
export const BASE_DTYPES = ['float32', 'int8'] as const;
export type BaseDtype = (typeof BASE_DTYPES)[number];
/** `auto`: the faster one where the graphs are written. */
export const BASE_DTYPE_CHOICES = [...BASE_DTYPES, 'auto'] as const;

/** `ort`: gradients and learning rate are called as in ONNX Runtime's retired training API. */
export const NAMINGS = ['lotrc', 'ort'] as const;

/** How the learning rate goes after the warm-up. */
export const RATE_SCHEDULES = ['constant', 'linear', 'cosine', 'polynomial'] as const;
export type RateScheduleKind = (typeof RATE_SCHEDULES)[number];

/**
 * What the records of a file are: `label`, a text (or two) with a label; `text`, running text; `prompt`, a prompt and the
 * text that follows it; `chat`, messages; `tags`, words with a tag each; `seq2seq`, a source and a target.
 */
export const RECORD_TASKS = ['label', 'text', 'prompt', 'chat', 'tags', 'seq2seq'] as const;
export type RecordTask = (typeof RECORD_TASKS)[number];

/** What is predicted of prompts and conversations: all answers, the last one, or everything. */
export const PREDICTED_TURNS = ['answers', 'last', 'all'] as const;
export type PredictedTurns = (typeof PREDICTED_TURNS)[number];

/** The tag of a word is that of its first token, or of all its tokens. */
export const SUBWORDS = ['first', 'all'] as const;

/** What is done with lines that cannot be read. */
export const BAD_LINES = ['skip', 'stop'] as const;

/** Parquet files: a row per step and a column per value, or a row per value. */
export const PARQUET_LAYOUTS = ['wide', 'long'] as const;
export type ParquetLayout = (typeof PARQUET_LAYOUTS)[number];

/** Forms of the config that `lotrc init` writes. */
export const CONFIG_FORMATS = ['ts', 'mjs', 'json'] as const;
export type ConfigFormat = (typeof CONFIG_FORMATS)[number];

/** Forms of adapter files. */
export const ADAPTER_FORMATS = ['safetensors', 'peft', 'onnx_adapter', 'gguf'] as const;

/** How `lotrc combine` adds adapters. */
export const COMBINE_WAYS = ['cat', 'linear', 'svd', 'ties', 'dare'] as const;

/** Architectures of llama.cpp, as it calls them, whose layers have names that are known. */
export const GGUF_ARCHS = [
  'llama',
  'qwen2',
  'qwen3',
  'gemma',
  'gemma2',
  'gemma3',
  'phi3',
  'bert',
  'gpt2',
] as const;
export type GgufArch = (typeof GGUF_ARCHS)[number];

/** Forms of the tables of studies. */
export const TABLE_FORMATS = ['markdown', 'csv', 'json', 'parquet', 'html'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];
