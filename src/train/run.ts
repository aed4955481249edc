import { join } from 'node:path';
import { type OrtFeeds, OrtSession, type OrtTensor, type SessionOptions } from '../backends/ort/session.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import { f32Tensor, type TensorData } from '../ir/tensor.js';
import { toF32 } from '../ir/values.js';
import { GradientSum } from './gradient-sum.js';
import { countTerms } from './labels.js';
import { wantsLowMemory } from './memory.js';
import { graphOf, readSignature } from './read-signature.js';
import type { GraphName, GraphSignature, Port, ScalarKind, Signature } from './signature.js';

/** Divides what is 0 where no label counts. */
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
    const { tensors, metadata } = readSafetensors(join(folder, 'state.safetensors'));
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
    // of a sum of losses each is divided in the graph, by what counts in all batches
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
    let session = this.#sessions.get(graph.file);
    if (!session) {
      session = await OrtSession.open(join(this.folder, graph.file), { onCpu: graph.onCpu, ...this.options });
      this.#sessions.set(graph.file, session);
    }
    const { beta1 = 0, beta2 = 0 } = this.signature.optimizer.constants;
    // bias corrections in double: a float32 power of a large step loses digits
    const scalars: Record<Exclude<ScalarKind, 'divisor'>, (k: number) => number> = {
      lr: (k) => rates[k]!,
      loss_scale: () => this.lossScale,
      bc1: (k) => 1 - beta1 ** (this.t + 1 + k),
      bc2: (k) => 1 - beta2 ** (this.t + 1 + k),
      draw: (k) => (this.draw + k) % (this.signature.draws ?? 1),
    };
    const scalar = ({ shape, scalar, term }: Port): OrtTensor => {
      const count = shape.length === 0 ? 1 : rates.length;
      const kind = scalar!;
      const data = Float32Array.from({ length: count }, (_, k) =>
        kind === 'divisor' ? Math.max(divisors[term!]!, MIN_DIVISOR) : scalars[kind](k),
      );
      return { type: 'float32', dims: shape.length === 0 ? [] : [count], data };
    };
    const feeds: Record<string, OrtTensor> = {};
    for (const port of graph.inputs) {
      const value =
        port.role === 'batch' || port.role === 'grad'
          ? batch.inputs[port.name]
          : port.role === 'label'
            ? (batch.inputs[port.name] ?? batch.labels)
            : port.role === 'scalar'
              ? scalar(port)
              : this.#state.get(port.name);
      if (!value) throw new Error(`input "${port.name}" of ${graph.file} has no value`);
      feeds[port.name] = value;
    }
    if (graph.inputs.some(({ scalar }) => scalar === 'draw')) this.draw += rates.length;
    return session.run(feeds);
  }
}
