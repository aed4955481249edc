import { join } from 'node:path';
import { type Emitted, emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { type InputOptions, makeInputs } from '../../../src/backends/ort/inputs.js';
import type { OrtProcess } from '../../../src/backends/ort/process.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import type { LossKind } from '../../../src/train/signature.js';
import { adapt } from './adapt.js';
import { type Checked, checkGradient } from './gradient-check.js';
import { bestOutput, lossesFor } from './outputs.js';

export interface TrainsRequest {
  readonly base: string;
  readonly adapted: string;
  /** inputs on which the base runs; null: ONNX Runtime does not run it */
  readonly inputs: InputOptions | null;
  /** for files */
  readonly scratch: string;
  readonly host: OrtProcess;
}

/** Largest relative error that a central difference in that arithmetic may show. */
const TOLERANCE = { f32: 1e-2, half: 0.1 };
/** Differences that rounding inside the model scatters by more than this are not used. */
const SCATTER = 0.1;
/** the remark on activations that are rounded: their slope is that of the rounding, not of what is rounded */
const ROUNDED = 'LOTR4204';
/** how often new factors are drawn when the differences decide nothing: a kink nearby, or a slope near zero */
const DRAWS = 3;

/**
 * Emits training graphs and checks their gradients against differences of the loss. Of several outputs the one that
 * most adapters lead to is taken, and adapters that do not lead there are left out, as the hint of LOTR5003 says. Returns
 * what was found; throws LotrcError where lotrc refuses and a plain Error where a gradient is wrong.
 */
export async function trains(request: TrainsRequest): Promise<string> {
  const { scratch, host, inputs } = request;
  let model = readModel(request.adapted);
  let path = request.adapted;
  const output = bestOutput(model);
  const said: string[] = [];
  if (output && output.sites.length > 0 && output.sites.length < output.all) {
    path = join(scratch, 'reached.onnx');
    adapt(request.base, path, { targets: output.sites.map((id) => `glob:${id}`) });
    model = readModel(path);
    said.push(`${output.sites.length} of ${output.all} sites lead to "${output.value.name}"`);
  }
  const half = computesInHalf(model);
  const tolerance = half ? TOLERANCE.half : TOLERANCE.f32;
  const unclear: string[] = [];
  // differences that scatter, and a gradient that lies within their scatter
  let within: string | null = null;
  for (const loss of lossesFor(output?.value)) {
    const folder = join(scratch, `train-${loss}`);
    const { signature, notes } = emit(path, folder, loss, output?.value.name);
    if (notes.some(({ code }) => code === ROUNDED))
      return ['gradients pass through rounding (LOTR4204): no differences to compare', ...said].join('; ');
    if (!inputs) return ['graphs emitted, not run: ONNX Runtime does not run the base', ...said].join('; ');
    const batch = Object.fromEntries(makeInputs(model, inputs));
    for (let seed = 1; seed <= DRAWS; seed++) {
      const of = { folder, signature, batch, logits: output!.value.name };
      const checked = await checkGradient(of, host, seed);
      const { relative, spread, random, slope } = checked;
      const arithmetic = half ? ', 16 bits' : '';
      const answer = (text: string): string => [`${text} (${loss}${arithmetic})`, ...said].join('; ');
      if (random) return answer('gradients are random as the model is: not compared');
      if (relative <= tolerance && spread <= tolerance)
        return answer(`gradient within ${relative.toExponential(1)}`);
      // the loss does not move at all, and the gradient says so
      if (slope === 0 && Number.isNaN(relative)) unclear.push('the loss does not depend on the factors');
      // differences that agree with each other and not with the gradient prove an error
      else if (spread <= tolerance / 3) throw new Error(`the gradient is wrong: ${numbers(checked)}`);
      else unclear.push(numbers(checked));
      if (relative <= spread && spread <= SCATTER)
        within ??= answer(`gradient within the differences, which scatter by ${spread.toExponential(1)}`);
    }
  }
  if (within !== null) return within;
  throw new Error(`differences do not show whether the gradient is right: ${unclear.join('; ')}`);
}

function emit(path: string, folder: string, loss: LossKind, logits: string | undefined): Emitted {
  return emitTraining({
    open: () => readModel(path),
    folder,
    options: { ...TRAIN_DEFAULTS, loss, logits },
    base: 'auto',
  });
}

function numbers({ relative, spread, slope, loss }: Checked): string {
  const [error, doubt, rise, value] = [relative, spread, slope, loss].map((x) => x.toExponential(1));
  return `off by ${error}, differences agree to ${doubt}, slope ${rise}, loss ${value}`;
}

function computesInHalf(model: Model): boolean {
  return [...model.everyNode()].some(({ outputs }) =>
    outputs.some(({ type }) => type?.kind === 'tensor' && (type.dtype === 'f16' || type.dtype === 'bf16')),
  );
}
