import type { OrtFeeds, OrtTensor } from '../backends/ort/tensor.js';
import { bare } from '../ir/keys.js';
import { ALONE, type ProcessGroup } from './distributed/group.js';
import { lossOf, type WeightedLoss } from './gradient-sum.js';
import { graphOf } from './graph-of.js';
import { fullRates, type StepRates } from './group-rates.js';
import { countTerms } from './labels.js';
import { CORRECTIONS, type Correction, isCorrection } from './optimizers/facts.js';
import type { GraphRunner, HeldTensor, HeldTensors } from './runner/runner.js';
import type { GraphName, GraphSignature, Port, ScalarKind, Signature, TensorRole } from './signature.js';

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

/**
 * Steps through the graphs of a training directory: has parameters and optimizer state, and knows only the signature. Where
 * graphs run is the runner's. Needs nothing of Node: programs of the command line and pages train with it.
 */
export class TrainingSteps {
  /** completed optimizer steps */
  t = 0;
  lossScale = 1;
  /** number of the next draw of masks of Dropout, for graphs that draw some; each run of such a graph takes one */
  draw = 0;
  readonly #runner: GraphRunner;
  /** tensors that the runner does not have yet */
  #loading = new Map<string, HeldTensor>();
  readonly #shapes = new Map<string, readonly number[]>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    /** what messages call the directory */
    readonly folder: string,
    readonly signature: Signature,
    runner: GraphRunner,
    /** of `state.safetensors`: the plan of the adapter, which every file with parameters carries */
    readonly metadata: Readonly<Record<string, string>>,
  ) {
    this.#runner = runner;
  }

  /** Takes parameters and state under the names of `state.safetensors`. */
  hold(tensors: HeldTensors): void {
    for (const [name, tensor] of tensors) {
      this.#loading.set(name, tensor);
      this.#shapes.set(name, tensor.dims);
    }
  }

  /** Names and shapes of parameters and optimizer state; all of them are float32. */
  get shapes(): ReadonlyMap<string, readonly number[]> {
    return this.#shapes;
  }

  /** Names of the trained factors and weights: what an adapter file holds. */
  get parameterNames(): readonly string[] {
    return this.signature.params.map(({ name }) => name);
  }

  /** Parameters and optimizer state of these names, or all. The caller changes none of them. */
  held(names: readonly string[] | null): Promise<HeldTensors> {
    return this.#turn((runner) => runner.save(names));
  }

  /** One optimizer step through step.onnx. Throws LOTR8246 when groups have no rate. */
  async step(batch: Batch, rates: number | StepRates): Promise<StepResult> {
    const output = await this.#run('step', batch, [rates], STEP_RESULTS);
    const finite = Boolean(output('finite')[0]);
    this.#count([finite]);
    return { loss: Number(output('loss')[0]), norm: Number(output('norm')[0]), finite };
  }

  /**
   * K optimizer steps in one run through step-loop.onnx; `batch` as `stackBatches` makes it. A step that overflows changes
   * nothing and uses up no rate; the loss scale is lowered after the run.
   */
  async stepLoop(batch: Batch, rates: readonly (number | StepRates)[]): Promise<StepResult[]> {
    const output = await this.#run('stepLoop', batch, rates, STEP_RESULTS);
    const steps = rates.map((_, k) => ({
      loss: Number(output('loss')[k]),
      norm: Number(output('norm')[k]),
      finite: Boolean(output('finite')[k]),
    }));
    this.#count(steps.map(({ finite }) => finite));
    return steps;
  }

  /**
   * One optimizer step over several batches, through grad.onnx and apply.onnx: gradients are summed in float64, each
   * weighted by the number of labels that count in its batch, as if it were one large batch. In a group the sum is that over
   * the batches of all ranks, each of which calls this, and may have none.
   */
  async accumulate(
    batches: readonly Batch[],
    given: number | StepRates,
    group: ProcessGroup = ALONE,
  ): Promise<StepResult> {
    const rates = [fullRates(this.signature, given)];
    const [grad, apply] = [this.#graph('grad'), this.#graph('apply')];
    const { loss: kind } = this.signature;
    const { loss, results } = await this.#turn(async (runner) => {
      // each term of a sum of losses is divided in the graph, by the number of labels that count in all batches
      const divisors = Float64Array.from(kind.kind === 'sum' ? countTerms(kind, grad, batches) : []);
      if (divisors.length > 0) await group.sum(divisors);
      const feeds = batches.map((batch) => this.#feeds(grad, batch, rates, divisors));
      const total = await totalOf(runner, await runner.addUp(feeds), group);
      const scalars = this.#feeds(apply, null, rates);
      const results = await runner.apply(total.weight, scalars, outputsOf(apply, ['norm', 'finite']));
      return { loss: lossOf(kind, total), results };
    });
    const output = (role: TensorRole) =>
      results[apply.outputs.find((port) => port.role === role)!.name]!.data;
    const finite = Boolean(output('finite')[0]);
    this.#count([finite]);
    return { loss, norm: Number(output('norm')[0]), finite };
  }

  /** Loss, logits and number of counted items through eval.onnx. */
  async evaluate(batch: Batch): Promise<TermResult> {
    return (await this.evaluateTerms(batch))[0]!;
  }

  /** The same for each of several losses, in their order; one entry for a single loss. `logits`: of which losses they are wanted. */
  async evaluateTerms(
    batch: Batch,
    logits: (term: number) => boolean = () => true,
  ): Promise<readonly TermResult[]> {
    const graph = this.#graph('eval');
    const wanted = graph.outputs.filter(
      ({ role, term = 0 }) => role === 'loss' || role === 'count' || (role === 'logits' && logits(term)),
    );
    const results = await this.#turn((runner) =>
      runner.run(
        'eval',
        this.#feeds(graph, batch, [NO_RATES]),
        wanted.map(({ name }) => name),
      ),
    );
    const { loss } = this.signature;
    const terms = loss.kind === 'sum' ? [...loss.terms.keys()] : [undefined];
    return terms.map((term) => {
      const output = (role: TensorRole) => {
        const port = wanted.find((found) => found.role === role && found.term === term);
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
    await this.#last;
    await this.#runner.close();
  }

  #graph(name: GraphName): GraphSignature {
    return graphOf(this.signature, this.folder, name);
  }

  /** One call of the runner after another, each with all that was loaded before it. */
  #turn<T>(call: (runner: GraphRunner) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      const tensors = this.#loading;
      this.#loading = new Map();
      if (tensors.size > 0) await this.#runner.load(tensors);
      return call(this.#runner);
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Runs a graph; its outputs by role. */
  async #run(
    name: GraphName,
    batch: Batch,
    given: readonly (number | StepRates)[],
    roles: readonly TensorRole[],
  ) {
    const graph = this.#graph(name);
    const rates = given.map((each) => fullRates(this.signature, each));
    const results = await this.#turn((runner) =>
      runner.run(name, this.#feeds(graph, batch, rates), outputsOf(graph, roles)),
    );
    return (role: TensorRole) => results[graph.outputs.find((port) => port.role === role)!.name]!.data;
  }

  /** Steps that were taken, or skipped because their gradients were not finite. */
  #count(finite: readonly boolean[]): void {
    this.t += finite.filter(Boolean).length;
    if (finite.includes(false)) this.lossScale /= 2;
  }

  /** Values of the inputs that the runner does not hold, and does not make itself (gradients). */
  #feeds(
    graph: GraphSignature,
    batch: Batch | null,
    rates: readonly StepRates[],
    divisors: ArrayLike<number> = [],
  ): OrtFeeds {
    const { constants } = this.signature.optimizer;
    // in double: a float32 power of a large step loses digits
    const correction = (name: Correction, k: number) =>
      1 - (constants[CORRECTIONS[name]] ?? 0) ** (this.t + 1 + k);
    const scalars: Record<Exclude<ScalarKind, 'lr' | 'divisor' | Correction>, (k: number) => number> = {
      loss_scale: () => this.lossScale,
      draw: (k) => (this.draw + k) % (this.signature.draws ?? 1),
    };
    const scalar = ({ shape, scalar, term, rate }: Port): OrtTensor => {
      const count = shape.length === 0 ? 1 : rates.length;
      const kind = scalar!;
      const data = Float32Array.from({ length: count }, (_, k) =>
        kind === 'divisor'
          ? Math.max(divisors[term!]!, MIN_DIVISOR)
          : isCorrection(kind)
            ? correction(kind, k)
            : kind === 'lr'
              ? rateOf(rates[k]!, rate)
              : scalars[kind](k),
      );
      return { type: 'float32', dims: shape.length === 0 ? [] : [count], data };
    };
    const feeds = bare<OrtTensor>();
    for (const port of graph.inputs) {
      const { name, role } = port;
      const value =
        role === 'scalar'
          ? scalar(port)
          : role === 'batch'
            ? batch?.inputs[name]
            : role === 'label'
              ? (batch?.inputs[name] ?? batch?.labels)
              : undefined;
      if (value) feeds[name] = value;
    }
    if (graph.inputs.some(({ scalar }) => scalar === 'draw')) this.draw += rates.length;
    return feeds;
  }
}

/** Puts the sum over all ranks in place of the one that a runner holds; the loss and weight of all ranks. */
async function totalOf(runner: GraphRunner, own: WeightedLoss, group: ProcessGroup): Promise<WeightedLoss> {
  if (group.size === 1) return own;
  const values = await runner.readSum();
  const all = new Float64Array(values.length + 2);
  all.set([own.loss, own.weight]);
  all.set(values, 2);
  await group.sum(all);
  await runner.writeSum(all.subarray(2));
  return { loss: all[0]!, weight: all[1]! };
}

const rateOf = ({ lr, groups }: StepRates, group: number | undefined): number =>
  group === undefined ? lr : groups[group]!;

/** For graphs that take no step. */
const NO_RATES: StepRates = { lr: 0, groups: [] };

const STEP_RESULTS: readonly TensorRole[] = ['loss', 'norm', 'finite'];

/** Names of the outputs with these roles. */
function outputsOf({ outputs }: GraphSignature, roles: readonly TensorRole[]): readonly string[] {
  return outputs.filter(({ role }) => roles.includes(role)).map(({ name }) => name);
}
