import { inspect, inspectJson } from '../../src/inspect.js';
import { formatInspect } from '../../src/inspect-format.js';
import { reportNotFinite } from '../../src/ir/finite.js';
import { verify } from '../../src/ir/verify.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { INSPECT } from '../../src/options/sets/models.js';
import { unpackLayers } from '../../src/passes/unpack/unpack.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';

/** A model with errors of the verifier can still be inspected, so only its warnings are shown. */
export function inspectCommand(
  path: string,
  { json, checkWeights }: ValuesOf<typeof INSPECT>,
  { io, reporter }: Run,
): void {
  const model = loadModel(path);
  const found = verify(model);
  reporter.report(found.filter(({ severity }) => severity === 'warning'));
  if (checkWeights) reporter.report(reportNotFinite(model));
  // layers that a rewrite would take out of functions and fused operators are shown as they then are
  if (!found.some(({ severity }) => severity === 'error')) unpackLayers(model, () => true);
  const report = inspect(model);
  io.out(json ? inspectJson(report) : formatInspect(report));
}
