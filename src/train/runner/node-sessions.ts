import { join } from 'node:path';
import { OrtSession, type SessionOptions } from '../../backends/ort/session.js';
import type { OpenGraph, RunnerJob } from './runner.js';

/** A training directory on disk, and how its graphs are run. */
export interface NodeJob extends RunnerJob {
  /** absolute */
  readonly folder: string;
  readonly options: SessionOptions;
}

/** Graphs as onnxruntime-node loads them from their files. */
export function nodeSessions({ folder, options }: NodeJob): OpenGraph {
  return ({ file: name, onCpu }, file) =>
    OrtSession.open(join(folder, name), { onCpu, ...options, label: file });
}
