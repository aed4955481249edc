import { join } from 'node:path';
import type { Side } from '../../src/backends/ort/compare.js';
import { compareOnSome, type SomeComparison } from '../../src/backends/ort/extents.js';
import { freeInputs } from '../../src/backends/ort/free-inputs.js';
import { OrtProcess } from '../../src/backends/ort/process.js';
import { toleranceFor } from '../../src/backends/ort/tolerance.js';
import { nanMeetsNan, notCompared, otherExtents, tooDifferent } from '../../src/ir/codes/cli.js';
import { dtypeText } from '../../src/ir/dtype.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { VERIFY } from '../../src/options/sets/models.js';
import { refuseUsage } from '../../src/options/usage.js';
import { placeAdapter } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel, TEXT } from '../load.js';
import type { Run } from '../program.js';
import { inScratch } from '../scratch.js';
import { table } from '../text.js';

type VerifyOptions = ValuesOf<typeof VERIFY>;

export async function verifyCommand(a: string, b: string, options: VerifyOptions, run: Run): Promise<void> {
  const { record, against } = options;
  if ((record ?? against) !== undefined)
    refuseUsage(`--${record === undefined ? 'against' : 'record'} takes one model, not two`);
  await inScratch('lotrc-verify-', async (scratch) => {
    const inputs = options.inputs === undefined ? undefined : readSafetensors(options.inputs).tensors;
    const given = [...(inputs?.keys() ?? [])];
    const sides = [
      sideOf(a, options.adapterA, given, join(scratch, 'a.onnx')),
      sideOf(b, options.adapterB, given, join(scratch, 'b.onnx')),
    ] as const;
    // ONNX Runtime leaves a log of its own in the folder for temporary files
    const host = new OrtProcess({ TMPDIR: scratch });
    const compared = await compareOnSome(sides[0], sides[1], {
      dims: options.dims,
      seed: options.seed,
      optimization: options.optimization,
      timeout: options.timeout,
      inputs,
      host,
    }).finally(() => host.close());
    const general = toleranceFor(sides.map(({ model }) => model));
    const known = options.tolerance === undefined && general.dtype !== 'f32';
    const because = known ? `a model computes in ${dtypeText(general.dtype)}` : null;
    showComparison(compared, { value: options.tolerance ?? general.value, because }, options.json, run);
  });
}

/**
 * One side, with the tensors of its adapter file as inputs of those names. Where the model stores what the file holds,
 * factors or weights that were trained in full, they take the place of the stored ones. ONNX Runtime takes no text, and its
 * JavaScript interface feeds no inputs that have a default: a model in text form, and one that was changed so, is written
 * out first.
 */
export function sideOf(
  path: string,
  file: string | undefined,
  given: Iterable<string>,
  scratch: string,
): Side {
  const model = loadModel(path);
  const adapter = file === undefined ? undefined : readAdapter(file);
  const tensors = [...(adapter?.tensors ?? [])];
  const freed = freeInputs(model, [...given, ...tensors.map(([name]) => name)]);
  const isInput = (name: string) => model.graph.own(name)?.isInput ?? false;
  const stored = !tensors.every(([name]) => isInput(name));
  if (adapter && stored) placeAdapter(model, adapter, file);
  const own = new Map(tensors.filter(([name]) => isInput(name)));
  if (!stored && !freed && !path.endsWith(TEXT)) return { path, model, own };
  writeModel(model, scratch, { weights: 'copy' });
  return { path: scratch, label: path, model, own };
}

/** Prints a comparison and reports what is beyond the tolerance. `more`: for the report as JSON. */
export function showComparison(
  { outputs, notCompared: others, dims }: SomeComparison,
  { value: tolerance, because }: { readonly value: number; readonly because: string | null },
  json: boolean,
  run: Run,
  more: object = {},
): void {
  const over = outputs.filter(({ relative }) => !(relative <= tolerance));
  if (json) {
    const report = {
      version: 1,
      tolerance,
      equal: over.length === 0,
      outputs,
      notCompared: others,
      dims: Object.fromEntries(dims),
      ...more,
    };
    run.io.out(
      `${JSON.stringify(report, (_key, value: unknown) => (value === Number.POSITIVE_INFINITY ? 'infinite' : value), 2)}\n`,
    );
  } else {
    const lines = outputs.map(({ name, dtype, shape, absolute, relative }) => [
      name,
      `${dtype}[${shape.join(',')}]`,
      text(absolute),
      text(relative),
    ]);
    run.io.out(table([['output', 'type', 'largest difference', 'relative'], ...lines]));
    if (because !== null) run.io.out(`tolerance ${tolerance}: ${because}\n`);
  }
  if (dims.size > 0) run.reporter.report(otherExtents({ dims }));
  if (others.length > 0) run.reporter.report(notCompared({ names: others }));
  for (const { name, shape, bothNaN } of outputs) {
    const size = shape.reduce((a, b) => a * b, 1);
    if (bothNaN > 0) run.reporter.report(nanMeetsNan({ name, count: bothNaN, size }));
  }
  for (const { name, relative } of over)
    run.reporter.report(tooDifferent({ name, difference: text(relative), tolerance }));
}

function text(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}
