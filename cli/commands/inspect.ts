import { inspect, inspectJson } from '../../src/inspect.js';
import { formatInspect } from '../../src/inspect-format.js';
import { verify } from '../../src/ir/verify.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';

export interface InspectOptions {
  readonly json?: true;
}

/** Errors of the verifier are no reason not to look at a model, so only its warnings are shown. */
export function inspectCommand(path: string, { json }: InspectOptions, { io, reporter }: Run): void {
  const model = loadModel(path);
  reporter.report(verify(model).filter(({ severity }) => severity === 'warning'));
  const report = inspect(model);
  io.out(json ? inspectJson(report) : formatInspect(report));
}
