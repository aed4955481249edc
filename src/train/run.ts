import { join, resolve } from 'node:path';
import type { SessionOptions } from '../backends/ort/session.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import { f32Tensor, type TensorData } from '../ir/tensor.js';
import { toF32 } from '../ir/values.js';
import { memoryUse } from './memory.js';
import { readSignature } from './read-signature.js';
import { requireState } from './require-state.js';
import { LocalRunner } from './runner/local.js';
import { nodeSessions } from './runner/node-sessions.js';
import { RemoteRunner } from './runner/remote.js';
import type { GraphRunner, HeldTensors } from './runner/runner.js';
import type { Signature } from './signature.js';
import { TrainingSteps } from './training-steps.js';

export interface TrainingRunOptions extends SessionOptions {
  /**
   * run the graphs in this process, where a fault in them ends it, instead of in one of their own; default false. The bits
   * are the same
   */
  readonly inProcess?: boolean;
  /** runs on this machine at once, which share its memory; default 1 */
  readonly processes?: number;
}

/**
 * A training run over a training directory on disk. Graphs run in a process of their own unless options say otherwise; when
 * that process ends, calls throw LOTR8112. Call `close` when done.
 */
export class TrainingRun extends TrainingSteps {
  private constructor(
    folder: string,
    signature: Signature,
    runner: GraphRunner,
    metadata: Readonly<Record<string, string>>,
    /** the base is not packed in advance; the bits of results depend on it */
    readonly lowMemory: boolean,
  ) {
    super(folder, signature, runner, metadata);
  }

  /** Opens a training directory with its initial state. Throws LotrcError when a file is missing or damaged. */
  static open(
    folder: string,
    { inProcess = false, processes = 1, ...given }: TrainingRunOptions = {},
  ): TrainingRun {
    const signature = readSignature(folder);
    const file = join(folder, 'state.safetensors');
    const { tensors, metadata } = readSafetensors(file);
    requireState(file, signature, tensors);
    const memory = memoryUse(signature, given.lowMemory, processes);
    const options = { config: signature.session, ...given, ...memory };
    const profile = options.profile === undefined ? {} : { profile: resolve(options.profile) };
    const job = { folder: resolve(folder), label: folder, signature, options: { ...options, ...profile } };
    const runner = inProcess ? new LocalRunner(job, nodeSessions(job)) : new RemoteRunner(job);
    const run = new TrainingRun(folder, signature, runner, metadata, memory.lowMemory);
    run.load(tensors);
    return run;
  }

  /** Takes parameters and state from tensors under the names of `state.safetensors`. */
  load(tensors: ReadonlyMap<string, TensorData>): void {
    this.hold(heldOf(tensors));
  }

  /** Parameters and optimizer state under the names of `state.safetensors`. */
  async save(): Promise<Map<string, TensorData>> {
    return tensorsOf(await this.held(null));
  }

  /** The trained factors and weights alone: what an adapter file holds. */
  async parameters(): Promise<Map<string, TensorData>> {
    return tensorsOf(await this.held(this.parameterNames));
  }
}

/** Tensors as plain numbers. */
export function heldOf(tensors: ReadonlyMap<string, TensorData>): HeldTensors {
  return new Map([...tensors].map(([name, tensor]) => [name, { dims: tensor.shape, data: toF32(tensor) }]));
}

function tensorsOf(held: HeldTensors): Map<string, TensorData> {
  return new Map([...held].map(([name, { dims, data }]) => [name, f32Tensor(dims, data)]));
}
