import { join, resolve } from 'node:path';
import type { SessionOptions } from '../backends/ort/session.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import { memoryUse } from './memory.js';
import { projectedApply } from './projection.js';
import { readSignature } from './read-signature.js';
import { requireState } from './require-state.js';
import { LocalRunner } from './runner/local.js';
import { nodeSessions } from './runner/node-sessions.js';
import { RemoteRunner } from './runner/remote.js';
import type { GraphRunner } from './runner/runner.js';
import { SavedRun } from './saved-run.js';
import type { Signature } from './signature.js';

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
export class TrainingRun extends SavedRun {
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
    const runner = inProcess
      ? new LocalRunner(job, nodeSessions(job), projectedApply(signature))
      : new RemoteRunner(job);
    const run = new TrainingRun(folder, signature, runner, metadata, memory.lowMemory);
    run.load(tensors);
    return run;
  }
}
