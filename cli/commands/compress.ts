import { basename } from 'node:path';
import { foreignOf } from '../../src/interop/convert.js';
import { fleetOf } from '../../src/interop/fleet.js';
import { leftOutOf } from '../../src/interop/foreign.js';
import { filesOfAdapter, openAdapter } from '../../src/interop/open.js';
import { toLora } from '../../src/interop/to-lora.js';
import { lengthOfFile } from '../../src/ir/files/length-of.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { COMPRESS } from '../../src/options/sets/adapters.js';
import { refuseUsage } from '../../src/options/usage.js';
import { filesText, refuseInputs, writeNoting } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { count, num, table } from '../text.js';

/** Writes many LoRA adapters as LoTR: shared factors, and cores for each. */
export function compressCommand(
  given: readonly string[],
  options: ValuesOf<typeof COMPRESS>,
  run: Run,
): void {
  const { output, tolerance, clobber, json } = options;
  const members = given.map((path) => {
    const opened = openAdapter(path);
    if (opened.kind === 'foreign') run.reporter.report(leftOutOf(opened.foreign));
    const { layers, weights } = foreignOf(opened, path, {});
    return { name: nameOf(path), layers: layers.map((layer) => toLora(layer, null)), weights };
  });
  const names = members.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at || name === 'shared');
  if (twice !== undefined) refuseUsage(`two outputs would be called ${twice}.safetensors`);
  const fleet = fleetOf(members, output, tolerance);
  const inputs = given.flatMap(filesOfAdapter);
  refuseInputs(
    fleet.outputs.map(({ path }) => path),
    inputs,
    clobber,
  );
  const files = writeNoting(fleet.outputs);
  const before = inputs.reduce((sum, file) => sum + lengthOfFile(file), 0);
  const after = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const { groups, errors } = fleet;
  if (json)
    run.io.out(`${JSON.stringify({ version: 1, groups, layers: errors, before, after, files }, null, 2)}\n`);
  else {
    const rows = groups.map(({ id, rank, layers, bound }) => [
      id,
      num(layers),
      String(rank),
      bound.toExponential(2),
    ]);
    const worst = [...errors].sort((a, b) => b.error - a.error).slice(0, 5);
    const lines = worst.map(({ adapter, module, error }) => [adapter, module, error.toExponential(2)]);
    tell(
      run,
      `${table([['shape', 'layers', 'rank', 'error at most'], ...rows])}\n` +
        `${table([['the largest errors: adapter', 'layer', 'relative error'], ...lines])}\n` +
        `${count(given.length, 'adapter')}: ${num(before)} bytes before, ${num(after)} after\n${filesText(files)}`,
    );
  }
}

/** `tenants/first/` and `first.safetensors` are called first. */
function nameOf(path: string): string {
  return basename(path).replace(/\.safetensors$/, '');
}
