import { join } from 'node:path';
import { effectiveScale, wrapOf } from '../adapter/description.js';
import { factorNames, readBy } from '../adapter/plan-factors.js';
import type { PlanRow, SiteRow } from '../adapter/saved-plan.js';
import { deltaTerm, spansResult, splitAtInput } from '../adapter/terms.js';
import { notLora } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import type { Output } from '../ir/files/atomic.js';
import { safetensorsOutput } from '../ir/files/safetensors.js';
import type { TensorData } from '../ir/tensor.js';
import { mostFrequent } from './bind.js';
import { transposedF32, transposedTermF32 } from './matrices.js';
import { CONFIG_FILE } from './peft-config.js';
import { KEY_PREFIX, WEIGHTS_FILE } from './peft-read.js';

export interface PeftOptions {
  /** site id -> module path in the PyTorch model, where the plan does not know it or knows it differently */
  readonly moduleMap?: ReadonlyMap<string, string>;
  /** the PyTorch base uses Conv1D (GPT-2), which stores weights as (in, out) */
  readonly fanInFanOut?: boolean;
  /** `base_model_name_or_path` of the configuration */
  readonly baseModel?: string;
  /** `task_type` of the configuration, e.g. CAUSAL_LM */
  readonly taskType?: string;
}

/** A PEFT LoRA adapter: the contents of its two files. */
export interface PeftAdapter {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

/**
 * The adapter of a plan as a PEFT LoRA adapter, exactly: where delta is a matrix F times the rest, A is F and B is
 * the rest (computed in float64, rounded once to float32), at the same rank; no decomposition. For LoTR A = R and
 * B = M L. A tied layer is written once for each of its module paths. `factors` gives data by tensor name.
 * Throws LOTR7201 when the plan has no such form.
 */
export function toPeft(
  plan: PlanRow,
  factors: ReadonlyMap<string, TensorData>,
  options: PeftOptions = {},
): PeftAdapter {
  const { spec } = plan;
  const refuse = (why: string): never => fail(notLora({ method: spec.method, why }));
  if (wrapOf(spec) !== 'add') return refuse(`its wrap is ${wrapOf(spec)}`);
  const term = deltaTerm(spec.delta);
  const split = spansResult(term) ? splitAtInput(term) : null;
  if (!split) return refuse(`its einsum ${spec.delta} is not a matrix times the rest`);
  if (plan.residual) refuse('it was made with --init svd and belongs to changed base weights');
  const tensors = new Map<string, TensorData>();
  const ranks = new Map<string, number>();
  for (const site of plan.sites) {
    const group = plan.groups.find(({ id }) => id === site.group);
    if (!group) return refuse(`layer "${site.id}" is in no group`);
    const chain = factorNames(plan, site).map((tensor, k) => {
      const { name } = spec.factors[k]!;
      const data = factors.get(tensor) ?? refuse(`there are no values for ${name} of layer "${site.id}"`);
      return readBy(plan, site, k, data);
    });
    const a = transposedF32(chain[split.first]!);
    const b = transposedTermF32(
      split.rest,
      split.others.map((k) => chain[k]!),
    );
    for (const module of modulesOf(site, options.moduleMap, refuse)) {
      if (ranks.has(module)) refuse(`two layers have the module path "${module}"`);
      ranks.set(module, group.rank);
      tensors.set(`${KEY_PREFIX}${module}.lora_A.weight`, a);
      tensors.set(`${KEY_PREFIX}${module}.lora_B.weight`, b);
    }
  }
  if (ranks.size === 0) refuse('it has no layers');
  return { config: configOf(plan, ranks, options), tensors };
}

/** The two files of an adapter in a folder, for `writeAtomically`. The folder must exist. */
export function peftOutputs(folder: string, adapter: PeftAdapter): readonly Output[] {
  const text = Buffer.from(`${JSON.stringify(adapter.config, null, 2)}\n`);
  return [
    safetensorsOutput(join(folder, WEIGHTS_FILE), adapter.tensors, { format: 'pt' }),
    { path: join(folder, CONFIG_FILE), write: (sink) => sink.write(text) },
  ];
}

function modulesOf(
  site: SiteRow,
  map: ReadonlyMap<string, string> | undefined,
  refuse: (why: string) => never,
): readonly string[] {
  const mapped = map?.get(site.id);
  if (mapped !== undefined) return [mapped];
  if (site.modulePath === null) return refuse(`the module path of layer "${site.id}" is unknown`);
  return [...new Set([site.modulePath, ...site.aliases])];
}

/** PEFT multiplies by lora_alpha / r, or lora_alpha / sqrt(r) with rsLoRA; both r and alpha may differ by module. */
function configOf(
  plan: PlanRow,
  ranks: ReadonlyMap<string, number>,
  options: PeftOptions,
): Record<string, unknown> {
  const { spec } = plan;
  const rsLora = spec.scaling === 'sqrt-rank';
  const alphaOf = (rank: number) => effectiveScale(spec, rank) * (rsLora ? Math.sqrt(rank) : rank);
  // `scale` itself where that is what PEFT divides, so that no rounding enters
  const alpha = (rank: number) => (spec.scaling === 'none' ? alphaOf(rank) : spec.scale);
  const rank = mostFrequent([...ranks.values()]);
  const others = [...ranks].filter(([, r]) => r !== rank);
  const pattern = (value: (r: number) => number) =>
    Object.fromEntries(others.map(([module, r]) => [escapePattern(module), value(r)]));
  const alphas = alpha(rank);
  return {
    base_model_name_or_path: options.baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: options.fanInFanOut ?? false,
    inference_mode: true,
    lora_alpha: alphas,
    alpha_pattern: others.some(([, r]) => alpha(r) !== alphas) ? pattern(alpha) : {},
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: pattern((r) => r),
    target_modules: [...ranks.keys()],
    task_type: options.taskType ?? null,
    use_rslora: rsLora,
  };
}

/** Keys of rank_pattern are regular expressions that PEFT anchors at the end and at a dot. */
function escapePattern(module: string): string {
  return module.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
