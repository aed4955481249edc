import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareModels, type OutputDifference, type Side } from '../../src/backends/ort/compare.js';
import type { Optimization } from '../../src/backends/ort/messages.js';
import { tooDifferent } from '../../src/ir/codes/cli.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { placeAdapter } from '../../src/rewrite.js';
import { readAdapter } from '../adapter-file.js';
import { loadModel, TEXT } from '../load.js';
import type { Run } from '../program.js';
import { table } from '../text.js';

export interface VerifyOptions {
  readonly dim?: ReadonlyMap<string, number>;
  readonly inputs?: string;
  readonly adapterA?: string;
  readonly adapterB?: string;
  readonly seed: number;
  readonly tolerance: number;
  readonly optimization: Optimization;
  readonly json?: true;
}

export async function verifyCommand(a: string, b: string, options: VerifyOptions, run: Run): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'lotrc-verify-'));
  try {
    const sides = [
      side(a, options.adapterA, join(scratch, 'a.onnx')),
      side(b, options.adapterB, join(scratch, 'b.onnx')),
    ];
    const outputs = await compareModels(sides[0]!, sides[1]!, {
      dims: options.dim,
      seed: options.seed,
      optimization: options.optimization,
      ...(options.inputs === undefined ? {} : { inputs: readSafetensors(options.inputs).tensors }),
    });
    show(outputs, options, run);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * One side, with the tensors of its adapter file as inputs of those names. Where the model stores what the file holds,
 * factors or weights that were trained in full, they take the place of the stored ones. ONNX Runtime takes no text: a model
 * in text form, and one that was changed so, is written out first.
 */
function side(path: string, file: string | undefined, scratch: string): Side {
  const model = loadModel(path);
  const adapter = file === undefined ? undefined : readAdapter(file);
  const stored = [...(adapter?.tensors.keys() ?? [])].some((name) => !model.graph.own(name)?.isInput);
  if (adapter && stored) placeAdapter(model, adapter, file);
  const own = adapter?.tensors;
  if (!stored && !path.endsWith(TEXT)) return { path, model, own };
  writeModel(model, scratch, { weights: 'copy' });
  return { path: scratch, label: path, model, own };
}

function show(outputs: readonly OutputDifference[], { tolerance, json }: VerifyOptions, run: Run): void {
  const over = outputs.filter(({ relative }) => !(relative <= tolerance));
  if (json) {
    const report = { version: 1, tolerance, equal: over.length === 0, outputs };
    run.io.out(
      `${JSON.stringify(report, (_key, value: unknown) => (value === Number.POSITIVE_INFINITY ? 'infinite' : value), 2)}\n`,
    );
  } else {
    const rows = outputs.map(({ name, dtype, shape, absolute, relative }) => [
      name,
      `${dtype}[${shape.join(',')}]`,
      text(absolute),
      text(relative),
    ]);
    run.io.out(table([['output', 'type', 'largest difference', 'relative'], ...rows]));
  }
  for (const { name, relative } of over) {
    run.reporter.report(tooDifferent({ name, difference: text(relative), tolerance }));
  }
}

function text(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}
