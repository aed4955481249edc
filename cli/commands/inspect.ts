import { inspect, inspectJson } from '../../src/inspect.js';
import { formatInspect } from '../../src/inspect-format.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';

export interface InspectOptions {
  readonly json?: true;
}

export function inspectCommand(path: string, { json }: InspectOptions, { io }: Run): void {
  const report = inspect(loadModel(path));
  io.out(json ? inspectJson(report) : formatInspect(report));
}
