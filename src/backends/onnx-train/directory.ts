import { basename, join } from '#platform';
import { PLAN_KEY, type SavedPlan, type WeightRow } from '../../adapter/saved-plan.js';
import { opsetOf } from '../../ir/builder.js';
import { utf8Bytes } from '../../ir/bytes.js';
import { type Diagnostic, fail } from '../../ir/diagnostics.js';
import type { Output, WrittenOutput } from '../../ir/files/atomic.js';
import { safetensorsOutput } from '../../ir/files/safetensors-header.js';
import type { Model } from '../../ir/model.js';
import type { PlannedModel } from '../../ir/onnx/plan-output.js';
import type { SessionEntries } from '../../ir/ops/core/session-entries.js';
import { opDef } from '../../ir/ops/index.js';
import { ComputedTensor, type TensorData } from '../../ir/tensor.js';
import { type Adapter, weightsFor } from '../../passes/adapters/adapter-file.js';
import { factorData } from '../../passes/adapters/merge.js';
import { TrainedTensor } from '../../passes/adapters/trained-tensor.js';
import { placeWeights } from '../../passes/adapters/trained-weights.js';
import { findDraws } from '../../passes/dropout/find.js';
import { DRAWS } from '../../passes/dropout/mask-field.js';
import { inferShapes } from '../../passes/infer-shapes.js';
import { PassRunner, startJob, type WatchOptions } from '../../passes/pipeline.js';
import { requirePlan, withWeights } from '../../passes/plan/plan.js';
import { requireData } from '../../passes/require-data.js';
import { requireElementTypes } from '../../passes/type-check.js';
import { hyperOf, optimizerDef } from '../../train/optimizers/index.js';
import type {
  BaseFile,
  ChangeRow,
  GraphName,
  GraphSignature,
  LossSignature,
  Signature,
  SiteSignature,
} from '../../train/signature.js';
import { oldTrainingOpset, uselessOption } from '../codes/training.js';
import { drawsRandomly, seededDropout } from '../codes/training-loss.js';
import { checkOptions, roundingProblem } from './check-options.js';
import {
  applyGraph,
  evalGraph,
  gradGraph,
  inferGraph,
  type Rounding,
  stepGraph,
  type TrainGraph,
} from './graphs.js';
import { CodesFile } from './int8/codes-file.js';
import { checkLegality, coarseNodes } from './legality.js';
import { stepLoopGraph } from './loop.js';
import { type Head, termSignature } from './losses.js';
import type { TrainOptions } from './options.js';
import { multiplesOf, ratesOf } from './param-groups.js';
import { collectParams, type Param, steppedRows } from './params.js';
import { chooseWeights, type Keep, type Prepared, prepare } from './prepare.js';

/** the first operator set with Where, which losses and gradients are written with */
const OLDEST_OPSET = 9;

export interface DirectoryRequest {
  /** reads the rewritten model afresh: every graph of the directory is built from its own copy */
  readonly open: () => Model;
  /**
   * what training starts from instead of the factors and weights in the model; needed where the model takes its factors
   * as inputs
   */
  readonly adapter?: Adapter;
  /** what messages call the adapter */
  readonly adapterFile?: string;
  readonly options: TrainOptions;
  /** how the passes of each graph are watched; the graphs are verified after each pass */
  readonly watch?: WatchOptions;
}

/** How the base's files get into a training directory. */
export interface PlacedBase {
  /** path of each file of the base -> the same file in or below the training directory */
  readonly standIns: ReadonlyMap<string, string>;
  readonly files: readonly BaseFile[];
  /** the files that are not there yet: clones, copies or hard links */
  readonly outputs: readonly Output[];
}

/** Where the files of a training directory go: to the disk, or into memory. */
export interface DirectoryTarget {
  /** what paths of the files begin with */
  readonly folder: string;
  /** Plans how the files that hold the model's weights get there. */
  placeBase(model: Model): PlacedBase;
  /** The path of a file that graphs refer to. */
  pathOf(name: string): string;
  /** Plans the writing of a graph, which refers to the weights where they lie. */
  plan(model: Model, path: string, standIns: PlacedBase['standIns']): PlannedModel;
  /** Writes all files, or none. */
  write(outputs: readonly Output[]): readonly WrittenOutput[];
}

export interface Emitted {
  readonly signature: Signature;
  /** files of the base that were put into the directory */
  readonly placed: readonly { readonly file: string; readonly how: WrittenOutput['how'] }[];
  readonly files: readonly { readonly path: string; readonly byteLength: number }[];
  readonly params: readonly Param[];
  /** weights of the base that are parameters */
  readonly weights: readonly WeightRow[];
  readonly notes: readonly Diagnostic[];
}

/**
 * Makes a training directory: step, grad, apply, eval and infer graphs in ordinary inference ops, initial state, and the
 * signature. Throws LotrcError: LOTR32xx without a plan, LOTR4201 for ops without a gradient, LOTR50xx for what does not fit.
 */
export function emitDirectory(request: DirectoryRequest, target: DirectoryTarget): Emitted {
  const { options, watch = {} } = request;
  const { folder } = target;
  const rates = ratesOf(options);
  const multiples = multiplesOf(options);
  const { first, open, opset, factors, plan, params, changes, fresh, notes } = beginTraining(request);
  const base = target.placeBase(first);
  const rounding =
    options.baseDtype === 'int8' ? roundingOf(target, options, opset, base.files, factors) : null;
  const projects = changes.length > 0;
  const whole = fresh('infer.onnx', { outputs: true });
  notes.push(...drawNotes(first, options));
  const graphs: Partial<Record<GraphName, TrainGraph>> = {
    // a step with a projection is grad, apply, and what the host does
    ...(projects
      ? {}
      : { step: stepGraph(fresh('step.onnx', { gradients: true }), params, options, rounding) }),
    grad: gradGraph(
      fresh('grad.onnx', { gradients: true, changes: projects }),
      { params, changes },
      options,
      rounding,
      (remark) => notes.push(remark),
    ),
    apply: applyGraph(steppedRows(params, changes), options, opset, new PassRunner(watch, 'apply.onnx')),
    eval: evalGraph(fresh('eval.onnx', {}), params, options),
    infer: inferGraph(whole, params),
    ...(options.loop === null
      ? {}
      : {
          stepLoop: stepLoopGraph(
            stepGraph(fresh('step-loop.onnx', { gradients: true }), params, options, rounding),
            options.loop,
          ),
        }),
  };
  const largest = graphs.step ?? graphs.grad!;
  // kernels depend on element types, also those of loss and gradients
  for (const { model } of Object.values(graphs)) {
    inferShapes(model);
    requireElementTypes(model, open);
  }
  for (const ep of options.ep) {
    for (const { model } of Object.values(graphs)) {
      const remarks = checkLegality(model, ep, options.allowFallback);
      // the step holds the forward graph, the reverse pass and the optimizer: one remark says it for all
      if (model === largest.model) notes.push(...remarks);
    }
  }
  const codes = rounding && !rounding.file.isEmpty ? rounding.file : null;
  const outputs: Output[] = [...base.outputs, ...(codes ? [codes.output()] : [])];
  const files: { path: string; byteLength: number }[] = [];
  const signatures: Partial<Record<GraphName, GraphSignature>> = {};
  for (const [name, { model, signature }] of Object.entries(graphs) as [GraphName, TrainGraph][]) {
    const path = join(folder, signature.file);
    const onCpu = options.ep.flatMap((ep) => coarseNodes(model, ep));
    const planned = target.plan(model, path, base.standIns);
    outputs.push(...planned.outputs);
    files.push({ path, byteLength: planned.report.byteLength });
    notes.push(...planned.report.notes);
    signatures[name] = onCpu.length > 0 ? { ...signature, onCpu } : signature;
  }
  // once the codes are written, which their digest is taken of
  const signature = (): Signature => ({
    version: 1,
    opset,
    ep: options.ep,
    graphs: signatures,
    params: params.map(({ row }) => row),
    sites: plan.plans.flatMap((row) =>
      row.sites.map((site): SiteSignature => {
        const group = row.groups.find(({ id }) => id === site.group)!;
        return {
          id: site.id,
          modulePath: site.modulePath,
          nameFrom: site.nameFrom,
          nodes: site.uses.map(({ node }) => node),
          weights: site.uses.map(({ weight }) => weight),
          layout: site.uses.map(({ layout }) => layout),
          in: group.in,
          out: group.out,
          group: group.id,
        };
      }),
    ),
    optimizer: {
      kind: options.optimizer.kind,
      constants: {
        ...hyperOf(options.optimizer),
        ...(options.maxNorm === null ? {} : { maxNorm: options.maxNorm }),
      },
      slots: optimizerDef(options.optimizer.kind).slots,
    },
    ...(rates.length > 0 ? { rates } : {}),
    ...(multiples.length > 0 ? { multiples } : {}),
    ...(projects ? { changes } : {}),
    loss: lossSignature(whole.heads, options),
    ...(largest.signature.inputs.some(({ scalar }) => scalar === 'draw') ? { draws: DRAWS } : {}),
    session: sessionOf(Object.values(graphs).map(({ model: emitted }) => emitted)),
    ...(rounding ? { baseProducts: { dtype: 'int8', ...largest.products! } } : {}),
    base: [...base.files, ...(codes ? [{ location: basename(codes.path), ...codes.written }] : [])],
  });
  const state = initialState(params, changes, options);
  const metadata = { format: 'pt', [PLAN_KEY]: JSON.stringify(plan) };
  outputs.push(safetensorsOutput(join(folder, 'state.safetensors'), state, metadata));
  outputs.push({
    path: join(folder, 'signature.json'),
    write: (sink) => sink.write(utf8Bytes(`${JSON.stringify(signature(), null, 2)}\n`)),
  });
  const written = target.write(outputs);
  const placed = written
    .slice(0, base.outputs.length)
    .map(({ path, how }) => ({ file: join(folder, basename(path)), how }));
  return { signature: signature(), placed, files, params, weights: plan.weights ?? [], notes };
}

/** What the graphs of a directory are built from. */
export interface Beginning {
  /** the model as it is, for what is asked of it */
  readonly first: Model;
  readonly open: () => Model;
  readonly opset: number;
  readonly factors: ReadonlyMap<string, TensorData>;
  readonly plan: SavedPlan;
  readonly params: readonly Param[];
  /** what the optimizer steps in place of the factors */
  readonly changes: readonly ChangeRow[];
  /** a copy of the model that is ready for a graph */
  readonly fresh: (of: string, keep: Keep) => Prepared;
  /** remarks until then; later ones are added */
  readonly notes: Diagnostic[];
}

/** Checks what is asked for and chooses what is trained. Throws as {@link emitDirectory}. */
export function beginTraining(
  request: Pick<DirectoryRequest, 'open' | 'options' | 'adapter' | 'adapterFile' | 'watch'>,
): Beginning {
  const { options, adapter, adapterFile = '<adapter>', watch = {} } = request;
  checkOptions(options);
  const notes: Diagnostic[] = [];
  const open = (): Model => startFrom(request.open(), adapter, adapterFile);
  const first = open();
  requireData(first);
  // frozen factors are constants of the graphs, which must not refer to the adapter file
  const given = new Map(
    [...(adapter?.tensors ?? [])].map(([name, data]) => [name, new TrainedTensor(data)] as const),
  );
  const factors = factorData(first, given);
  const held = requirePlan(first, 'emit training graphs');
  const opset = opsetOf(first.graph);
  if (opset < OLDEST_OPSET) fail(oldTrainingOpset({ opset, needed: OLDEST_OPSET }));
  const weights = chooseWeights(open(), factors, held.weights ?? [], options, (note) => notes.push(note));
  const plan = withWeights(
    held,
    weights.map(({ row }) => row),
  );
  const { params, changes } = collectParams(plan.plans, factors, weights, options);
  const fresh = (of: string, keep: Keep) => {
    const model = open();
    return prepare(model, { factors, weights, params }, options, keep, startJob(model, watch, of));
  };
  return { first, open, opset, factors, plan, params, changes, fresh, notes };
}

/** Throws LOTR5008 for operator sets without the rounding of activations. */
function roundingOf(
  target: DirectoryTarget,
  options: TrainOptions,
  opset: number,
  base: readonly BaseFile[],
  factors: ReadonlyMap<string, TensorData>,
): Rounding {
  const problem = roundingProblem(options, opset);
  if (problem) fail(uselessOption({ option: '--base-dtype int8', ...problem }));
  const taken = new Set(base.map(({ location }) => location));
  let name = 'base.int8';
  for (let count = 1; taken.has(name); count++) name = `base${count}.int8`;
  return { file: new CodesFile(target.pathOf(name)), own: new Set(factors.keys()) };
}

/**
 * The model with an adapter's weights in place of its own. Throws LOTR3313 when the adapter was made for other layers or
 * another scale than the model's plan says.
 */
function startFrom(model: Model, adapter: Adapter | undefined, file: string): Model {
  if (!adapter) return model;
  const present = requirePlan(model, 'emit training graphs');
  const rows = weightsFor(model, present, adapter, file, 'emit training graphs from that adapter');
  placeWeights(model, present, rows, adapter.tensors);
  return model;
}

/** One loss as it is; several as a sum with its terms. */
function lossSignature(heads: readonly Head[], options: TrainOptions): LossSignature {
  if (heads.length === 1) return termSignature(options, heads[0]!);
  const terms = heads.map((head) => ({
    ...termSignature(options, head),
    output: head.value.name,
    weight: head.term.weight,
  }));
  const none = { ignoreIndex: null, labelSmoothing: 0, reduction: 'mean', shift: false } as const;
  return { kind: 'sum', ...none, terms };
}

/** Remarks on random numbers in the model: LOTR5020, LOTR5022. */
function drawNotes(model: Model, options: TrainOptions): Diagnostic[] {
  const { dropouts, repeated, others } = findDraws(model);
  const count = dropouts.length + repeated.length;
  const ops = [...new Set(others.map(({ op }) => op))].sort();
  return [
    ...(count > 0 ? [seededDropout({ count, off: options.dropout === 'off' })] : []),
    ...(others.length > 0 ? [drawsRandomly({ count: others.length, ops })] : []),
  ];
}

/** Session configuration entries that the ops of these models need. */
function sessionOf(models: readonly Model[]): SessionEntries {
  const entries = models.flatMap((model) =>
    [...model.everyNode()].flatMap((node) => {
      const def = opDef(node.domain, node.op, opsetOf(node.graph!, node.domain));
      return Object.entries(def?.session ?? {});
    }),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Parameters as they start, and optimizer state of zeros under `<param>/<slot>`. */
function initialState(
  params: readonly Param[],
  changes: readonly ChangeRow[],
  options: TrainOptions,
): Map<string, TensorData> {
  const state = new Map(params.map(({ row, data }) => [row.name, data]));
  const { slots } = optimizerDef(options.optimizer.kind);
  for (const { name, shape } of steppedRows(params, changes)) {
    for (const slot of slots) {
      const zeros = () => new Uint8Array(4 * shape.reduce((a, b) => a * b, 1));
      state.set(`${name}/${slot}`, new ComputedTensor('f32', shape, 'zeros', zeros));
    }
  }
  return state;
}
