import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OrtProcess } from '../../../src/backends/ort/process.js';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { adapt } from './adapt.js';
import { type Compared, compareOnMade } from './inputs.js';
import type { Cell, SurveyColumn, Told } from './row.js';
import { trains } from './trains.js';

/** Largest relative difference that other sums of the same numbers explain. */
const ROUNDING = 1e-2;

/** The program that surveys one file: prints each column as it begins and as it is answered (`Told`, a line each). */

function tell(told: Told): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

/** Answers one column. A diagnostic becomes a refusal, anything else that is thrown a fault. */
async function column(name: SurveyColumn, step: () => string | Promise<string>): Promise<boolean> {
  tell({ column: name, begun: true });
  const cell = await answered(step);
  tell({ column: name, cell });
  return cell.kind === 'yes';
}

async function answered(step: () => string | Promise<string>): Promise<Cell> {
  try {
    return { kind: 'yes', text: await step() };
  } catch (error) {
    if (!(error instanceof LotrcError)) {
      return { kind: 'fault', text: error instanceof Error ? error.message : String(error) };
    }
    const { code, message, hint } = error.diagnostics[0]!;
    return { kind: 'refused', code, text: message, ...(hint === undefined ? {} : { hint }) };
  }
}

/** Surveys one model with scratch files in `folder`. */
async function survey(file: string, folder: string, host: OrtProcess): Promise<void> {
  const loaded = await column('loads', () => {
    readModel(file);
    return 'yes';
  });
  if (!loaded) return;
  await column('round trip', () => roundTrip(file, folder));
  await column('sites', () => {
    const model = readModel(file);
    unpackLayers(model, () => true);
    const { sites, refused } = findLinears(model);
    const codes = [...new Set(refused.map(({ diagnostic }) => diagnostic.code))].sort();
    const others = refused.length === 0 ? '' : `, ${refused.length} refused (${codes.join(', ')})`;
    return `${sites.length}${others}`;
  });
  const adapted = join(folder, 'adapted.onnx');
  const written = await column('rewrites', () => {
    const { sites, how } = adapt(file, adapted);
    return `${sites} site${sites === 1 ? '' : 's'}${how === '' ? '' : ` (${how})`}`;
  });
  if (!written) return;
  let compared: Compared | null = null;
  await column('equals base', async () => {
    compared = await compareOnMade(file, adapted, host);
    const worst = largest(compared);
    if (worst <= ROUNDING) return worst === 0 ? 'bit for bit' : `within ${worst.toExponential(1)}`;
    // the optimiser may round a quantised base otherwise than the adapted model; nothing else may differ as much
    const plain = largest(await compareOnMade(file, adapted, host, 'disabled'));
    if (!(plain <= ROUNDING)) throw new Error(`differs from the base by ${plain.toExponential(1)}`);
    const exact = plain === 0 ? 'bit for bit' : `within ${plain.toExponential(1)}`;
    return `${exact} without the optimiser, which rounds the base otherwise: ${worst.toExponential(1)}`;
  });
  const inputs = (compared as Compared | null)?.inputs ?? null;
  await column('trains', () => trains({ base: file, adapted, inputs, scratch: folder, host }));
}

function roundTrip(file: string, folder: string): string {
  // one name in two folders: the name of a data file is part of the model
  const [copy, again] = ['first', 'second'].map((name) => {
    mkdirSync(join(folder, name));
    return join(folder, name, 'copy.onnx');
  }) as [string, string];
  writeModel(readModel(file), copy, { weights: 'copy' });
  writeModel(readModel(copy), again, { weights: 'copy' });
  if (!readFileSync(copy).equals(readFileSync(again))) throw new Error('a second writing differs');
  return readFileSync(copy).equals(readFileSync(file)) ? 'same bytes' : 'stable';
}

const folder = mkdtempSync(join(tmpdir(), 'lotrc-survey-'));
const host = new OrtProcess();
try {
  await survey(process.argv[2]!, folder, host);
} finally {
  host.close();
  rmSync(folder, { recursive: true, force: true });
}

function largest({ outputs }: Compared): number {
  return Math.max(0, ...outputs.map(({ relative }) => relative));
}
