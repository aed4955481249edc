import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emitTraining } from '../../../src/backends/onnx-train/emit.js';
import { TRAIN_DEFAULTS } from '../../../src/backends/onnx-train/options.js';
import { compareModels } from '../../../src/backends/ort/compare.js';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { isFloat } from '../../../src/ir/dtype.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { rewrite } from '../../../src/rewrite.js';
import { checkGradient, type GradientCheck } from './gradient.js';

/** What was found; a column that was not reached is absent. A cell that begins with FAULT is a defect of lotrc. */
export type Row = Partial<
  Record<'loads' | 'round trip' | 'sites' | 'rewrites' | 'equals base' | 'trains', string>
>;

/** Runs one step; a diagnostic becomes its code and message, anything else that is thrown a fault. */
async function cell(step: () => string | Promise<string>): Promise<string> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof LotrcError)) {
      return `FAULT: ${error instanceof Error ? error.message : String(error)}`;
    }
    const [first] = error.diagnostics;
    return `${first!.code}: ${first!.message}`.slice(0, 160);
  }
}

/** A rounded loss moves in steps: half-precision models are held to what their numbers can show. */
function judged({ norm, error }: GradientCheck, half: boolean): string {
  if (norm === 0) return 'yes; the gradient of the made inputs is zero';
  if (!Number.isFinite(norm)) return `FAULT: the gradient is ${norm}`;
  if (error === null) return 'yes; not compared, the graph draws random numbers';
  const text = `gradient within ${error.toExponential(1)}`;
  return error <= (half ? 0.1 : 0.01) ? text : `FAULT: ${text}`;
}

function isHalf(model: Model): boolean {
  return [...model.graph.initializers.values()].some(
    ({ type }) => type?.kind === 'tensor' && (type.dtype === 'f16' || type.dtype === 'bf16'),
  );
}

/** Surveys one model with scratch files in `folder`. */
async function survey(file: string, folder: string): Promise<Row> {
  const row: Row = {};
  let model: Model | null = null;
  row.loads = await cell(() => {
    model = readModel(file);
    return 'yes';
  });
  if (!model) return row;

  row['round trip'] = await cell(() => {
    // one name in two folders: the name of a data file is part of the model
    const [copy, again] = ['first', 'second'].map((name) => {
      mkdirSync(join(folder, name));
      return join(folder, name, 'copy.onnx');
    }) as [string, string];
    writeModel(readModel(file), copy, { weights: 'copy' });
    writeModel(readModel(copy), again, { weights: 'copy' });
    if (!readFileSync(copy).equals(readFileSync(again))) return 'FAULT: a second writing differs';
    return readFileSync(copy).equals(readFileSync(file)) ? 'same bytes' : 'stable';
  });
  row.sites = await cell(() => {
    const { sites, refused } = findLinears(readModel(file));
    return refused.length === 0 ? String(sites.length) : `${sites.length}, ${refused.length} refused`;
  });

  const adapted = join(folder, 'adapted.onnx');
  let written = false;
  row.rewrites = await cell(() => {
    const changed = readModel(file);
    rewrite(changed, { rank: 1 });
    writeModel(changed, adapted, { weights: 'copy' });
    written = true;
    return 'yes';
  });
  if (!written) return row;

  row['equals base'] = await cell(async () => {
    const outputs = await compareModels(
      { path: file, model: readModel(file) },
      { path: adapted, model: readModel(adapted) },
      { seed: 1 },
    );
    const worst = Math.max(0, ...outputs.map(({ relative }) => relative));
    return worst === 0 ? 'bit for bit' : `within ${worst.toExponential(1)}`;
  });
  row.trains = await cell(async () => {
    // a loss that any float output can take: what is asked is whether there are gradients
    const outputs = readModel(adapted).graph.outputs;
    const logits = outputs.find(({ type }) => type?.kind === 'tensor' && isFloat(type.dtype))?.name;
    emitTraining({
      open: () => readModel(adapted),
      folder: join(folder, 'train'),
      options: { ...TRAIN_DEFAULTS, loss: 'mse', logits },
      base: 'auto',
    });
    const host = new OrtProcess();
    try {
      return judged(await checkGradient(join(folder, 'train'), host), isHalf(readModel(adapted)));
    } finally {
      host.close();
    }
  });
  return row;
}

const folder = mkdtempSync(join(tmpdir(), 'lotrc-survey-'));
try {
  process.stdout.write(JSON.stringify(await survey(process.argv[2]!, folder)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
