import { extname } from 'node:path';
import { truncateAdapter } from '../../src/interop/truncate.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { COMPRESS } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import { extract } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel, TEXT } from '../load.js';
import { filesText, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { num, table } from '../text.js';

/** Writes a LoTR adapter, or that of a model, at a smaller rank. */
export function truncateCommand(
  given: readonly string[],
  options: ValuesOf<typeof COMPRESS> & { readonly toParameters: number },
  told: ReadonlySet<string>,
  run: Run,
): void {
  const [path] = given;
  if (path === undefined || given.length > 1) refuseUsage('--to-parameters takes one adapter, or one model');
  if (told.has('tolerance'))
    refuseUsage('--to-parameters gives the size, and --tolerance an error: leave one of them out');
  const isModel = extname(path) === '.onnx' || path.endsWith(TEXT);
  const adapter = isModel ? extract(loadModel(path)) : readAdapter(path);
  const { output, toParameters, clobber, json } = options;
  const { adapter: small, groups, before, after } = truncateAdapter(adapter, toParameters, path);
  const files = writeArtifacts({ adapter: { adapter: small, path: output }, inputs: [path], clobber }, run);
  if (json) {
    run.io.out(`${JSON.stringify({ version: 1, before, after, groups, files }, null, 2)}\n`);
    return;
  }
  const rows = groups.map((group) => [
    group.id,
    num(group.layers),
    `${group.before} -> ${group.rank}`,
    group.error.toExponential(2),
  ]);
  tell(
    run,
    `${table([['group', 'layers', 'rank', 'relative error'], ...rows])}${num(before)} trained values before, ${num(after)} after\n${filesText(files)}`,
  );
}
