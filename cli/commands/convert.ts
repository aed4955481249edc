import { convertAdapter, formatOf } from '../../src/interop/convert.js';
import { leftOutOf } from '../../src/interop/foreign.js';
import { filesOfAdapter, openAdapter } from '../../src/interop/open.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { CONVERT } from '../../src/options/sets/adapters.js';
import { requireUse, writeConverted } from '../converted.js';
import { loadModel } from '../load.js';
import type { Run } from '../program.js';

/** Writes an adapter in another form. */
export function convertCommand(from: string, to: string, options: ValuesOf<typeof CONVERT>, run: Run): void {
  const { model: path, to: form = formatOf(to) } = options;
  requireUse(form, options);
  const model = path === undefined ? null : loadModel(path);
  const opened = openAdapter(from, model, options);
  if (opened.kind === 'foreign') run.reporter.report(leftOutOf(opened.foreign));
  const converted = convertAdapter(opened, from, form, to, { ...options, model });
  const inputs = [...filesOfAdapter(from), ...(path === undefined ? [] : [path])];
  writeConverted(converted, form, inputs, options, run);
}
