import { join } from 'node:path';
import { ORT_TYPES } from '../../backends/ort/messages.js';
import { type OrtFeeds, OrtSession, type OrtTensor } from '../../backends/ort/session.js';
import { badTrainingFolder } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { DType } from '../../ir/dtype.js';
import { bare } from '../../ir/keys.js';
import { GradientSum } from '../gradient-sum.js';
import { graphOf } from '../read-signature.js';
import type { GraphName, GraphSignature, Port } from '../signature.js';
import type { Accumulated, GraphRunner, HeldTensor, HeldTensors, RunnerJob } from './runner.js';

/** Graphs whose results replace held tensors. */
const UPDATES: ReadonlySet<GraphName> = new Set(['step', 'stepLoop', 'apply']);

/** Runs graphs in this process. */
export class LocalRunner implements GraphRunner {
  readonly #job: RunnerJob;
  readonly #held = new Map<string, HeldTensor>();
  readonly #sessions = new Map<string, OrtSession>();

  constructor(job: RunnerJob) {
    this.#job = job;
  }

  async load(tensors: HeldTensors): Promise<void> {
    for (const [name, tensor] of tensors) this.#held.set(name, tensor);
  }

  async save(names: readonly string[] | null): Promise<HeldTensors> {
    return names ? new Map(names.map((name) => [name, this.#held.get(name)!])) : new Map(this.#held);
  }

  async run(name: GraphName, feeds: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds> {
    const results = await this.#run(name, feeds, outputs);
    const wanted = bare<OrtTensor>();
    for (const output of outputs) wanted[output] = results[output]!;
    return wanted;
  }

  async accumulate(
    batches: readonly OrtFeeds[],
    apply: OrtFeeds,
    outputs: readonly string[],
  ): Promise<Accumulated> {
    const { loss } = this.#job.signature;
    const [gradients, update] = [this.#graph('grad'), this.#graph('apply')];
    const all = gradients.outputs.map(({ name }) => name);
    const sums = new GradientSum(loss.kind !== 'sum' && loss.reduction === 'mean');
    for (const feeds of batches) sums.add(gradients, await this.#run('grad', feeds, all));
    const total = bare(Object.entries(apply));
    for (const [name, gradient] of Object.entries(sums.total(update))) total[name] = gradient;
    return { loss: sums.loss(), results: await this.run('apply', total, outputs) };
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await session.close();
    this.#sessions.clear();
  }

  #graph(name: GraphName): GraphSignature {
    return graphOf(this.#job.signature, this.#job.label, name);
  }

  async #run(name: GraphName, feeds: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds> {
    const graph = this.#graph(name);
    const file = join(this.#job.label, graph.file);
    const session = this.#sessions.get(graph.file) ?? (await this.#open(file, graph));
    const all = bare<OrtTensor>();
    for (const port of graph.inputs) {
      const held = isHeld(port) ? this.#held.get(port.name) : undefined;
      const value = held ? { type: 'float32', ...held } : feeds[port.name];
      all[port.name] =
        value ?? fail(badTrainingFolder({ file, why: `input ${JSON.stringify(port.name)} has no value` }));
    }
    const updated = UPDATES.has(name)
      ? graph.inputs.filter((port) => isHeld(port) && port.next !== undefined)
      : [];
    const results = await session.run(all, [...new Set([...updated.map(({ next }) => next!), ...outputs])]);
    requireTypes(file, graph, results);
    for (const { name: before, next } of updated)
      requireShape(file, all[before]!, before, results[next!]!, next!);
    for (const { name: held, next } of updated) {
      const { dims, data } = results[next!]!;
      this.#held.set(held, { dims, data: data as Float32Array });
    }
    return results;
  }

  async #open(file: string, graph: GraphSignature): Promise<OrtSession> {
    const { folder, options } = this.#job;
    const path = join(folder, graph.file);
    const session = await OrtSession.open(path, { onCpu: graph.onCpu, ...options, label: file });
    requirePorts(file, graph, session);
    this.#sessions.set(graph.file, session);
    return session;
  }
}

const isHeld = ({ role }: Port): boolean => role === 'param' || role === 'state';

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

/** Throws LOTR8201 when a result has another type than the signature says. */
function requireTypes(file: string, { outputs }: GraphSignature, results: OrtFeeds): void {
  for (const { name, dtype } of outputs) {
    const type = results[name]?.type;
    if (type === undefined || type === ORT_TYPES.get(dtype as DType)) continue;
    const why = `output ${JSON.stringify(name)} is ${type}, and ${dtype} in signature.json`;
    fail(badTrainingFolder({ file, why }));
  }
}

/** Throws LOTR8201 when what replaces a held tensor has another type or shape. */
function requireShape(file: string, before: OrtTensor, name: string, after: OrtTensor, next: string): void {
  if (before.type === after.type && before.dims.join() === after.dims.join()) return;
  const why = `output ${JSON.stringify(next)} is [${after.dims.join(',')}] and replaces "${name}" [${before.dims.join(',')}]`;
  fail(badTrainingFolder({ file, why }));
}
