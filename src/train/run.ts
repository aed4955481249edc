import { join } from 'node:path';
import { ORT_TYPES } from '../backends/ort/messages.js';
import { type OrtFeeds, OrtSession, type OrtTensor, type SessionOptions } from '../backends/ort/session.js';
import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import type { DType } from '../ir/dtype.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import { bare } from '../ir/keys.js';
import { f32Tensor, type TensorData } from '../ir/tensor.js';
import { toF32 } from '../ir/values.js';
import { GradientSum } from './gradient-sum.js';
import { countTerms } from './labels.js';
import { wantsLowMemory } from './memory.js';
import { CORRECTIONS, type Correction, isCorrection } from './optimizers/index.js';
import { graphOf, readSignature } from './read-signature.js';
import type { GraphName, GraphSignature, Port, ScalarKind, Signature } from './signature.js';

/** Divides a sum that is 0 where no label counts. */
const MIN_DIVISOR = 1e-30;

/** Batch inputs and labels by role; a training host needs no names but these. */
export interface Batch {
  /** by name; of several losses, the labels of all but the first are here too */
  readonly inputs: OrtFeeds;
  readonly labels: OrtTensor;
}

/** One loss over a batch. */
export interface TermResult {
  readonly loss: number;
  /** null for a loss that the model computes */
  readonly logits: OrtTensor | null;
  readonly count: number;
}

export interface StepResult {
  readonly loss: number;
  readonly norm: number;
  /** false: the gradients overflowed, nothing changed, and `t` did not advance */
  readonly finite: boolean;
}

/** A training run over a training directory: holds parameters and optimizer state, and knows only the signature. */
export class TrainingRun {
  /** completed optimizer steps */
  t = 0;
  lossScale = 1;
  /** number of the next draw of masks of Dropout, for graphs that draw some; each run of such a graph takes one */
  draw = 0;
  readonly #state = new Map<string, OrtTensor>();
  readonly #sessions = new Map<string, OrtSession>();

  private constructor(
    readonly folder: string,
    readonly signature: Signature,
    readonly options: SessionOptions,
    /** of `state.safetensors`: the plan of the adapter, which every file with parameters carries */
    readonly metadata: Readonly<Record<string, string>>,
  ) {}

  /** Opens a training directory with its initial state. Throws LotrcError when a file is missing or damaged. */
  static open(folder: string, options: SessionOptions = {}): TrainingRun {
    const signature = readSignature(folder);
    const file = join(folder, 'state.safetensors');
    const { tensors, metadata } = readSafetensors(file);
    requireState(file, signature, tensors);
    const config = { config: signature.session, lowMemory: wantsLowMemory(signature), ...options };
    const run = new TrainingRun(folder, signature, config, metadata);
    run.load(tensors);
    return run;
  }

  /** Takes parameters and state from tensors under the names of `state.safetensors`. */
  load(tensors: ReadonlyMap<string, TensorData>): void {
    for (const [name, data] of tensors) {
      this.#state.set(name, { type: 'float32', dims: data.shape, data: toF32(data) });
    }
  }

  /** Parameters and optimizer state under the names of `state.safetensors`. */
  save(): Map<string, TensorData> {
    return new Map(
      [...this.#state].map(([name, { dims, data }]) => [name, f32Tensor(dims, data as Float32Array)]),
    );
  }

  /** The trained factors and weights alone: what an adapter file holds. */
  parameters(): Map<string, TensorData> {
    const all = this.save();
    return new Map(this.signature.params.map(({ name }) => [name, all.get(name)!]));
  }

  /** One optimizer step through step.onnx. */
  async step(batch: Batch, lr: number): Promise<StepResult> {
    const graph = this.#graph('step');
    const results = await this.#run(graph, batch, [lr]);
    const output = (role: string) => results[graph.outputs.find((port) => port.role === role)!.name]!;
    const finite = Boolean(output('finite').data[0]);
    this.#take(graph, results);
    if (finite) this.t++;
    else this.lossScale /= 2;
    return { loss: Number(output('loss').data[0]), norm: Number(output('norm').data[0]), finite };
  }

  /**
   * K optimizer steps in one run through step-loop.onnx; `batch` as `stackBatches` makes it. A step that overflows changes
   * nothing and uses up no rate; the loss scale is lowered after the run.
   */
  async stepLoop(batch: Batch, rates: readonly number[]): Promise<StepResult[]> {
    const graph = this.#graph('stepLoop');
    const results = await this.#run(graph, batch, rates);
    const output = (role: string) => results[graph.outputs.find((port) => port.role === role)!.name]!.data;
    this.#take(graph, results);
    const steps = rates.map((_, k) => ({
      loss: Number(output('loss')[k]),
      norm: Number(output('norm')[k]),
      finite: Boolean(output('finite')[k]),
    }));
    this.t += steps.filter(({ finite }) => finite).length;
    if (steps.some(({ finite }) => !finite)) this.lossScale /= 2;
    return steps;
  }

  /**
   * One optimizer step over several batches, through grad.onnx and apply.onnx: gradients are summed in float64, each
   * weighted by the number of labels that count in its batch, as if it were one large batch.
   */
  async accumulate(batches: readonly Batch[], lr: number): Promise<StepResult> {
    const [grad, apply] = [this.#graph('grad'), this.#graph('apply')];
    const { loss } = this.signature;
    // each term of a sum of losses is divided in the graph, by the number of labels that count in all batches
    const divisors = loss.kind === 'sum' ? countTerms(loss, grad, batches) : [];
    const sums = new GradientSum(loss.kind !== 'sum' && loss.reduction === 'mean');
    for (const batch of batches) sums.add(grad, await this.#run(grad, batch, [lr], divisors));
    const results = await this.#run(apply, sums.total(apply), [lr]);
    this.#take(apply, results);
    const output = (role: string) => results[apply.outputs.find((port) => port.role === role)!.name]!;
    const finite = Boolean(output('finite').data[0]);
    if (finite) this.t++;
    else this.lossScale /= 2;
    return { loss: sums.loss(), norm: Number(output('norm').data[0]), finite };
  }

  /** Loss, logits and number of counted items through eval.onnx. */
  async evaluate(batch: Batch): Promise<TermResult> {
    return (await this.evaluateTerms(batch))[0]!;
  }

  /** The same for each of several losses, in their order; one entry for a single loss. */
  async evaluateTerms(batch: Batch): Promise<readonly TermResult[]> {
    const graph = this.#graph('eval');
    const results = await this.#run(graph, batch, [0]);
    const { loss } = this.signature;
    const terms = loss.kind === 'sum' ? [...loss.terms.keys()] : [undefined];
    return terms.map((term) => {
      const output = (role: string) => {
        const port = graph.outputs.find((found) => found.role === role && found.term === term);
        return port ? results[port.name]! : null;
      };
      return {
        loss: Number(output('loss')!.data[0]),
        logits: output('logits'),
        count: Number(output('count')!.data[0]),
      };
    });
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await session.close();
    this.#sessions.clear();
  }

  #graph(name: GraphName): GraphSignature {
    return graphOf(this.signature, this.folder, name);
  }

  #take(graph: GraphSignature, results: OrtFeeds): void {
    for (const port of graph.inputs) {
      if (port.next) this.#state.set(port.name, results[port.next]!);
    }
  }

  async #run(
    graph: GraphSignature,
    batch: Batch,
    rates: readonly number[],
    divisors: readonly number[] = [],
  ): Promise<OrtFeeds> {
    const file = join(this.folder, graph.file);
    let session = this.#sessions.get(graph.file);
    if (!session) {
      session = await OrtSession.open(file, { onCpu: graph.onCpu, ...this.options });
      requirePorts(file, graph, session);
      this.#sessions.set(graph.file, session);
    }
    const { constants } = this.signature.optimizer;
    // in double: a float32 power of a large step loses digits
    const correction = (name: Correction, k: number) =>
      1 - (constants[CORRECTIONS[name]] ?? 0) ** (this.t + 1 + k);
    const scalars: Record<Exclude<ScalarKind, 'divisor' | Correction>, (k: number) => number> = {
      lr: (k) => rates[k]!,
      loss_scale: () => this.lossScale,
      draw: (k) => (this.draw + k) % (this.signature.draws ?? 1),
    };
    const scalar = ({ shape, scalar, term }: Port): OrtTensor => {
      const count = shape.length === 0 ? 1 : rates.length;
      const kind = scalar!;
      const data = Float32Array.from({ length: count }, (_, k) =>
        kind === 'divisor'
          ? Math.max(divisors[term!]!, MIN_DIVISOR)
          : isCorrection(kind)
            ? correction(kind, k)
            : scalars[kind](k),
      );
      return { type: 'float32', dims: shape.length === 0 ? [] : [count], data };
    };
    const feeds = bare<OrtTensor>();
    for (const port of graph.inputs) {
      const value =
        port.role === 'batch' || port.role === 'grad'
          ? batch.inputs[port.name]
          : port.role === 'label'
            ? (batch.inputs[port.name] ?? batch.labels)
            : port.role === 'scalar'
              ? scalar(port)
              : this.#state.get(port.name);
      if (!value)
        return fail(badTrainingFolder({ file, why: `input ${JSON.stringify(port.name)} has no value` }));
      feeds[port.name] = value;
    }
    if (graph.inputs.some(({ scalar }) => scalar === 'draw')) this.draw += rates.length;
    const results = await session.run(feeds);
    requireResults(file, graph, results, feeds);
    return results;
  }
}

/** Throws LOTR8201 when a parameter, or its state in the optimizer, is not in the file of the initial state. */
function requireState(
  file: string,
  { params, optimizer, graphs }: Signature,
  tensors: ReadonlyMap<string, TensorData>,
): void {
  const refuse = (why: string): never => fail(badTrainingFolder({ file, why }));
  for (const { name, shape, trainable } of params) {
    const slots = trainable ? optimizer.slots.map((slot) => `${name}/${slot}`) : [];
    for (const wanted of [name, ...slots]) {
      const found = tensors.get(wanted);
      if (found?.dtype !== 'f32' || found.shape.join() !== shape.join())
        refuse(`it has no f32 tensor ${JSON.stringify(wanted)} of shape [${shape.join(',')}]`);
    }
  }
  for (const graph of Object.values(graphs)) {
    for (const { name, role } of graph.inputs) {
      if ((role === 'param' || role === 'state') && !tensors.has(name))
        refuse(`it has no tensor ${JSON.stringify(name)}, which ${graph.file} reads`);
    }
  }
}

/** Throws LOTR8201 when the graph lacks an input or output that the signature lists, or has an input that it does not. */
function requirePorts(file: string, { inputs, outputs }: GraphSignature, session: OrtSession): void {
  const refuse = (why: string): never =>
    fail(badTrainingFolder({ file, why: `the graph is not the one in signature.json: ${why}` }));
  const [reads, gives] = [new Set(session.inputs), new Set(session.outputs)];
  const listed = new Set(inputs.map(({ name }) => name));
  for (const name of listed) if (!reads.has(name)) refuse(`it has no input ${JSON.stringify(name)}`);
  for (const name of reads) if (!listed.has(name)) refuse(`its input ${JSON.stringify(name)} is not listed`);
  for (const { name } of outputs) if (!gives.has(name)) refuse(`it has no output ${JSON.stringify(name)}`);
}

/** Throws LOTR8201 when a result has another type than the signature says, or what replaces an input another shape. */
function requireResults(
  file: string,
  { inputs, outputs }: GraphSignature,
  results: OrtFeeds,
  feeds: OrtFeeds,
): void {
  for (const { name, dtype } of outputs) {
    const { type } = results[name]!;
    if (type === ORT_TYPES.get(dtype as DType)) continue;
    fail(
      badTrainingFolder({
        file,
        why: `output ${JSON.stringify(name)} is ${type}, and ${dtype} in signature.json`,
      }),
    );
  }
  for (const { name, next } of inputs) {
    if (next === undefined) continue;
    const [before, after] = [feeds[name]!, results[next]!];
    if (before.type === after.type && before.dims.join() === after.dims.join()) continue;
    const why = `output ${JSON.stringify(next)} is [${after.dims.join(',')}] and replaces "${name}" [${before.dims.join(',')}]`;
    fail(badTrainingFolder({ file, why }));
  }
}
