import type { SavedPlan } from '../adapter/saved-plan.js';
import { alreadyAdapted, otherPlan } from '../ir/codes/adapters.js';
import { needsModel, notAnInput, peftFeature } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import type { Output } from '../ir/files/atomic.js';
import { onnxAdapterOutput } from '../ir/files/onnx-adapter.js';
import { safetensorsOutput } from '../ir/files/safetensors.js';
import type { Model } from '../ir/model.js';
import { refuseUsage } from '../options/usage.js';
import type { ADAPTER_FORMATS } from '../options/words.js';
import { type Adapter, planOfAdapter } from '../passes/adapters/adapter-file.js';
import { withSeeded } from '../passes/adapters/seeded-factors.js';
import { readPlan, samePlan } from '../passes/plan/plan.js';
import { bindAdapter } from './bind.js';
import { fitToPlan } from './fit.js';
import type { ForeignAdapter, ForeignWeight } from './foreign.js';
import { asForeign } from './from-plan.js';
import { type GgufOptions, ggufAdapter } from './gguf-write.js';
import type { ModuleMap } from './names.js';
import type { AnyAdapter } from './open.js';
import { peftAdapter, peftOutputs } from './peft-write.js';
import { asForeignLayer, type LoraLayer, toLora } from './to-lora.js';

export type AdapterFormat = (typeof ADAPTER_FORMATS)[number];

export interface ConvertOptions extends GgufOptions {
  /** the base, or the adapted model */
  readonly model?: Model | null | undefined;
  /** the base, where `model` is an adapted one and adapters took parts out of its weights */
  readonly base?: Model | null | undefined;
  readonly moduleMap?: ModuleMap | undefined;
  /** largest relative error of a layer; without it conversions are exact or refused */
  readonly tolerance?: number | undefined;
}

/** An adapter in another form, to be written with `writeAtomically`. */
export interface Converted {
  readonly outputs: readonly Output[];
  /** modules, or layers of lotrc */
  readonly layers: number;
  /** parameters that are held whole */
  readonly weights: number;
  /** layers that were approximated, with their rank and relative error */
  readonly approximated: readonly {
    readonly module: string;
    readonly rank: number;
    readonly error: number;
  }[];
}

/** The form that a path has by its ending; a folder of PEFT without one. Throws LOTR8001 for the ending of models. */
export function formatOf(path: string): AdapterFormat {
  if (/\.onnx(txt)?$/.test(path))
    refuseUsage(
      `${path} has the ending of a model, and an adapter is written`,
      'end it in .safetensors, .onnx_adapter or .gguf; a name without an ending is a folder for PEFT',
    );
  if (path.endsWith('.safetensors')) return 'safetensors';
  if (path.endsWith('.gguf')) return 'gguf';
  return path.endsWith('.onnx_adapter') ? 'onnx_adapter' : 'peft';
}

/**
 * Writes an adapter that was read from `file` in a form, at a path. Throws LOTR7204 where a model is needed, LOTR7201, LOTR7205 for
 * what is not LoRA, LOTR7103, LOTR7702 and LOTR7703 for GGUF, and what `bindAdapter` throws.
 */
export function convertAdapter(
  opened: AnyAdapter,
  file: string,
  format: AdapterFormat,
  path: string,
  options: ConvertOptions = {},
): Converted {
  if (format === 'peft' || format === 'gguf') {
    const { layers, weights } = foreignOf(opened, file, options);
    const made = layers.map((layer) => toLora(layer, options.tolerance ?? null));
    return loraAs(format, made, weights, file, path, options);
  }
  const present = options.model ? readPlan(options.model) : null;
  if (present && opened.kind === 'foreign') return fitted(present, opened.foreign, format, path, options);
  const adapter = opened.kind === 'own' ? opened.adapter : bound(opened.foreign, options).adapter;
  const plan = planOfAdapter(adapter, file);
  const weights = plan.weights ?? [];
  const done = {
    layers: plan.plans.reduce((sum, { sites }) => sum + sites.length, 0),
    weights: weights.length,
    approximated: [],
  };
  if (format === 'safetensors')
    return { ...done, outputs: [safetensorsOutput(path, adapter.tensors, adapter.metadata)] };
  if (weights.length > 0) fail(notAnInput({ names: weights.map(({ name }) => name) }));
  if (present && !samePlan(present, plan)) fail(otherPlan({ file, what: 'the model' }));
  return { ...done, outputs: [onnxAdapterOutput(path, withSeeded(plan, adapter.tensors))] };
}

/** An adapter of another program for the inputs of an adapted model. */
function fitted(
  plan: SavedPlan,
  foreign: ForeignAdapter,
  format: AdapterFormat,
  path: string,
  { tolerance, moduleMap }: ConvertOptions,
): Converted {
  if (format !== 'onnx_adapter') fail(alreadyAdapted({ doing: 'convert the adapter for it' }));
  const names = foreign.weights.map(({ module, parameter }) => `${module}.${parameter}`);
  if (names.length > 0) fail(notAnInput({ names }));
  const [stack] = foreign.stacks;
  if (stack) {
    const feature = `target_parameters "${stack.module}.${stack.parameters[0]!.name}"`;
    fail(
      peftFeature({
        file: foreign.file,
        feature,
        hint: 'apply the adapter to the base, or convert it with the base as --model',
      }),
    );
  }
  const layers = foreign.layers.map((layer) => toLora(layer, tolerance ?? null));
  const outputs = [onnxAdapterOutput(path, fitToPlan(plan, foreign, layers, moduleMap))];
  return { outputs, layers: layers.length, weights: 0, approximated: approximatedOf(layers) };
}

/** An adapter of another program as one of lotrc, which needs the model. */
function bound(foreign: ForeignAdapter, { model, moduleMap }: ConvertOptions): { readonly adapter: Adapter } {
  if (!model)
    return fail(needsModel({ file: foreign.file, why: 'which tensors of a model file it changes' }));
  return bindAdapter(model, foreign, { moduleMap });
}

/** An adapter by the names of modules: those of the model, where there is one. */
export function foreignOf(opened: AnyAdapter, file: string, options: ConvertOptions): ForeignAdapter {
  const { model = null, moduleMap } = options;
  const map = moduleMap ? { moduleMap } : {};
  const base = options.base ?? (model && !readPlan(model) ? model : null);
  if (opened.kind === 'own') return asForeign(opened.adapter, file, { model, base, ...map });
  const { foreign } = opened;
  // where the tensors do not say the extents of a layer, the model does
  const complete = foreign.layers.every((layer) => layer.in !== null && layer.out !== null);
  if (foreign.names === 'dotted' && complete && foreign.stacks.length === 0 && !moduleMap) return foreign;
  return asForeign(bound(foreign, options).adapter, file, { model });
}

/** LoRA layers and whole parameters as a folder of PEFT, or a file of llama.cpp. */
function loraAs(
  format: 'peft' | 'gguf',
  layers: readonly LoraLayer[],
  weights: readonly ForeignWeight[],
  file: string,
  path: string,
  options: GgufOptions,
): Converted {
  return {
    outputs:
      format === 'peft'
        ? peftOutputs(path, peftAdapter(layers, weights, file))
        : [ggufAdapter(path, layers, weights, options)],
    layers: layers.length,
    weights: weights.length,
    approximated: approximatedOf(layers),
  };
}

/** LoRA layers of the modules of a model in a form; all but PEFT and GGUF need the model. Throws as `convertAdapter`. */
export function convertLora(
  layers: readonly LoraLayer[],
  file: string,
  format: AdapterFormat,
  path: string,
  options: ConvertOptions,
): Converted {
  if (format === 'peft' || format === 'gguf') return loraAs(format, layers, [], file, path, options);
  const foreign = {
    file,
    names: 'dotted',
    layers: layers.map(asForeignLayer),
    stacks: [],
    weights: [],
    leftOut: [],
  } as const;
  const made = convertAdapter({ kind: 'foreign', foreign }, file, format, path, options);
  return { ...made, approximated: approximatedOf(layers) };
}

const approximatedOf = (layers: readonly LoraLayer[]): Converted['approximated'] =>
  layers.flatMap(({ module, rank, error }) => (error === null ? [] : [{ module, rank, error }]));
