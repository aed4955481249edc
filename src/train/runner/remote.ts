import { graphsEnded } from '../../backends/codes/host.js';
import type { OrtFeeds } from '../../backends/ort/tensor.js';
import { compiledProgram, WorkerEnded, WorkerProcess } from '../../backends/ort/worker-process.js';
import type { WeightedLoss } from '../gradient-sum.js';
import type { GraphName } from '../signature.js';
import { type RunnerCall, received, type SentTensors, sent } from './messages.js';
import type { NodeJob } from './node-sessions.js';
import type { GraphRunner, HeldTensors } from './runner.js';
import { type Shapes, TensorRow } from './tensor-row.js';

/** Numbers in a message: larger ones travel slower. */
const PIECE = 1 << 20;

/**
 * Runs graphs in a process of its own (child.ts), which the first call starts. Calls throw LOTR8112, as WorkerEnded, once it
 * has ended: what it held is lost.
 */
export class RemoteRunner implements GraphRunner {
  readonly #job: NodeJob;
  readonly #worker = new WorkerProcess(compiledProgram(import.meta.url, 'child.js'), { again: false });
  #open: Promise<unknown> | null = null;

  constructor(job: NodeJob) {
    this.#job = job;
  }

  async load(tensors: HeldTensors): Promise<void> {
    const row = new TensorRow(tensors);
    const names = [...tensors.keys()];
    await this.#ask({ call: 'load', shapes: row.shapes });
    for (let start = 0; start < row.size; start += PIECE) {
      const values = row.read(start, Math.min(row.size, start + PIECE));
      await this.#ask({ call: 'write', names, start, values });
    }
  }

  async save(names: readonly string[] | null): Promise<HeldTensors> {
    const row = TensorRow.zeros((await this.#ask({ call: 'shapes', names })) as Shapes);
    const all = [...row.tensors.keys()];
    for (let start = 0; start < row.size; start += PIECE) {
      const end = Math.min(row.size, start + PIECE);
      row.write(start, (await this.#ask({ call: 'read', names: all, start, end })) as Float32Array);
    }
    return row.tensors;
  }

  async run(graph: GraphName, feeds: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds> {
    return received((await this.#ask({ call: 'run', graph, feeds: sent(feeds), outputs })) as SentTensors);
  }

  async addUp(batches: readonly OrtFeeds[]): Promise<WeightedLoss> {
    return (await this.#ask({ call: 'addUp', batches: batches.map(sent) })) as WeightedLoss;
  }

  async readSum(): Promise<Float64Array> {
    return ((await this.#ask({ call: 'readSum' })) as Float64Array).slice();
  }

  async writeSum(values: Float64Array): Promise<void> {
    await this.#ask({ call: 'writeSum', values });
  }

  async apply(weight: number, scalars: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds> {
    const call = { call: 'apply', weight, scalars: sent(scalars), outputs } as const;
    return received((await this.#ask(call)) as SentTensors);
  }

  async close(): Promise<void> {
    try {
      if (this.#worker.pid !== null) await this.#ask({ call: 'close' });
    } catch (error) {
      // every result was given before
      if (!(error instanceof WorkerEnded)) throw error;
    }
    this.#worker.close();
  }

  async #ask(call: RunnerCall): Promise<unknown> {
    this.#open ??= this.#send({ call: 'open', job: this.#job });
    await this.#open;
    return this.#send(call);
  }

  #send(call: RunnerCall): Promise<unknown> {
    return this.#worker.ask(call, { ended: (how) => graphsEnded({ folder: this.#job.label, how }) });
  }
}
