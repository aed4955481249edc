import { ORT_TYPES } from '../../backends/ort/messages.js';
import type { OrtFeeds, OrtTensor } from '../../backends/ort/tensor.js';
import { badTrainingFolder } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { DType } from '../../ir/dtype.js';
import { bare } from '../../ir/keys.js';
import { GradientSum, type WeightedLoss } from '../gradient-sum.js';
import { fileIn, graphOf } from '../graph-of.js';
import type { GraphName, GraphSignature, Port } from '../signature.js';
import type {
  DeviceTensor,
  GraphRunner,
  GraphSession,
  GraphTensors,
  HeldTensor,
  HeldTensors,
  OpenGraph,
  ProjectedApply,
  RunnerJob,
} from './runner.js';

/** Graphs whose results replace held tensors. */
const UPDATES: ReadonlySet<GraphName> = new Set(['step', 'stepLoop', 'apply']);

/** Runs graphs in this process, or page. */
export class LocalRunner implements GraphRunner {
  readonly #job: RunnerJob;
  readonly #openGraph: OpenGraph;
  readonly #held = new Map<string, HeldTensor | DeviceTensor>();
  readonly #sessions = new Map<string, GraphSession>();
  readonly #projection: ProjectedApply | null;
  #sum: GradientSum | null = null;

  /** `projection`: needed for directories whose optimizer has one. */
  constructor(job: RunnerJob, openGraph: OpenGraph, projection: ProjectedApply | null) {
    this.#job = job;
    this.#openGraph = openGraph;
    this.#projection = projection;
  }

  async load(tensors: HeldTensors): Promise<void> {
    for (const [name, tensor] of tensors) this.#hold(name, tensor);
  }

  async save(names: readonly string[] | null): Promise<HeldTensors> {
    const saved = new Map<string, HeldTensor>();
    for (const name of names ?? this.#held.keys()) {
      const held = this.#held.get(name)!;
      saved.set(name, isOnDevice(held) ? { dims: held.dims, data: await held.download() } : held);
    }
    return saved;
  }

  async run(name: GraphName, feeds: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds> {
    const results = await this.#run(name, feeds, outputs);
    const wanted = bare<OrtTensor>();
    for (const output of outputs) wanted[output] = results[output]! as OrtTensor;
    return wanted;
  }

  async addUp(batches: readonly OrtFeeds[]): Promise<WeightedLoss> {
    const gradients = this.#graph('grad');
    const all = gradients.outputs.map(({ name }) => name);
    const sum = new GradientSum(this.#job.signature.loss, this.#graph('apply'));
    for (const feeds of batches) {
      const results = (await this.#run('grad', feeds, all)) as OrtFeeds;
      requireShapes(fileIn(this.#job.label, gradients.file), gradients, results);
      sum.add(gradients, results);
    }
    this.#sum = sum;
    return sum.total();
  }

  async readSum(): Promise<Float64Array> {
    return this.#sum!.values;
  }

  async writeSum(values: Float64Array): Promise<void> {
    this.#sum!.values.set(values);
  }

  async apply(weight: number, scalars: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds> {
    const gradients = Object.entries(this.#sum!.feeds(weight));
    this.#sum = null;
    const given = [...Object.entries(scalars), ...gradients];
    const all = bare(given);
    if (!this.#job.signature.changes) return this.run('apply', all, outputs);
    return this.#projection!.apply(this, (name, tensor) => this.#hold(name, tensor), all, outputs);
  }

  async close(): Promise<void> {
    // before the sessions, whose memory on a device they are in
    for (const held of this.#held.values()) if (isOnDevice(held)) held.dispose();
    this.#held.clear();
    for (const session of this.#sessions.values()) await session.close();
    this.#sessions.clear();
  }

  /** A tensor in place of the one of that name, whose memory is free then. */
  #hold(name: string, tensor: HeldTensor | DeviceTensor): void {
    const before = this.#held.get(name);
    this.#held.set(name, tensor);
    if (before && isOnDevice(before)) before.dispose();
  }

  #graph(name: GraphName): GraphSignature {
    return graphOf(this.#job.signature, this.#job.label, name);
  }

  async #run(name: GraphName, feeds: OrtFeeds, outputs: readonly string[]): Promise<GraphTensors> {
    const graph = this.#graph(name);
    const file = fileIn(this.#job.label, graph.file);
    const updated = UPDATES.has(name)
      ? graph.inputs.filter((port) => isHeld(port) && port.next !== undefined)
      : [];
    const next = updated.map((port) => port.next!);
    const session = this.#sessions.get(graph.file) ?? (await this.#open(file, graph, next));
    const all = bare<OrtTensor | DeviceTensor>();
    for (const port of graph.inputs) {
      const held = isHeld(port) ? this.#held.get(port.name) : undefined;
      const value = held ? (isOnDevice(held) ? held : { type: 'float32', ...held }) : feeds[port.name];
      all[port.name] =
        value ?? fail(badTrainingFolder({ file, why: `input ${JSON.stringify(port.name)} has no value` }));
    }
    const results = await session.run(all, [...new Set([...next, ...outputs])]);
    requireTypes(file, graph, results);
    for (const { name: before, next: after } of updated)
      requireShape(file, all[before]!, before, results[after!]!, after!);
    for (const { name: held, next: after } of updated) {
      const result = results[after!]!;
      this.#hold(
        held,
        isOnDevice(result) ? result : { dims: result.dims, data: result.data as Float32Array },
      );
    }
    return results;
  }

  async #open(file: string, graph: GraphSignature, kept: readonly string[]): Promise<GraphSession> {
    const session = await this.#openGraph(graph, file, kept);
    requirePorts(file, graph, session);
    this.#sessions.set(graph.file, session);
    return session;
  }
}

const isOnDevice = (tensor: HeldTensor | OrtTensor | DeviceTensor): tensor is DeviceTensor =>
  'download' in tensor;
const isHeld = ({ role }: Port): boolean => role === 'param' || role === 'state';

/** Throws LOTR8201 when the graph lacks an input or output that the signature lists, or has an input that it does not. */
function requirePorts(file: string, { inputs, outputs }: GraphSignature, session: GraphSession): void {
  const refuse = (why: string): never =>
    fail(badTrainingFolder({ file, why: `the graph is not the one in signature.json: ${why}` }));
  const [reads, gives] = [new Set(session.inputs), new Set(session.outputs)];
  const listed = new Set(inputs.map(({ name }) => name));
  for (const name of listed) if (!reads.has(name)) refuse(`it has no input ${JSON.stringify(name)}`);
  for (const name of reads) if (!listed.has(name)) refuse(`its input ${JSON.stringify(name)} is not listed`);
  for (const { name } of outputs) if (!gives.has(name)) refuse(`it has no output ${JSON.stringify(name)}`);
}

/** Throws LOTR8201 when a result has another type than the signature says. */
function requireTypes(file: string, { outputs }: GraphSignature, results: GraphTensors): void {
  for (const { name, dtype } of outputs) {
    const type = results[name]?.type;
    if (type === undefined || type === ORT_TYPES.get(dtype as DType)) continue;
    const why = `output ${JSON.stringify(name)} is ${type}, and ${dtype} in signature.json`;
    fail(badTrainingFolder({ file, why }));
  }
}

/** Throws LOTR8201 when a gradient has another shape than the signature says. */
function requireShapes(file: string, { outputs }: GraphSignature, results: OrtFeeds): void {
  for (const { name, role, shape } of outputs) {
    const dims = results[name]!.dims.join();
    if (role !== 'grad' || dims === shape.join()) continue;
    const why = `output ${JSON.stringify(name)} is [${dims}], and [${shape.join()}] in signature.json`;
    fail(badTrainingFolder({ file, why }));
  }
}

/** Throws LOTR8201 when what replaces a held tensor has another type or shape. */
function requireShape(
  file: string,
  before: OrtTensor | DeviceTensor,
  name: string,
  after: OrtTensor | DeviceTensor,
  next: string,
): void {
  if (before.type === after.type && before.dims.join() === after.dims.join()) return;
  const why = `output ${JSON.stringify(next)} is [${after.dims.join(',')}] and replaces "${name}" [${before.dims.join(',')}]`;
  fail(badTrainingFolder({ file, why }));
}
