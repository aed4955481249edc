import { join } from 'node:path';
import { BACK_ENDS, type BackEnd, type EmitOptions } from '../../src/backends/backend.js';
import { deviceOfOther, noMatricesOnDevice, noMatricesTaken } from '../../src/backends/codes/kernels.js';
import { parseRecord } from '../../src/backends/doctor/read-record.js';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { launchesOf } from '../../src/backends/host/shared/tables.js';
import type { SegmentedModel } from '../../src/backends/host/webgpu/segments/segments.js';
import { deviceNamed, deviceOfArch } from '../../src/backends/kernel/device/find.js';
import {
  MATRIX_FEATURES,
  matrixText,
  subgroupMatrix,
} from '../../src/backends/kernel/device/subgroup-matrices.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { DeviceProfile, Launch } from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { explainPlan } from '../../src/backends/kernel/plan/explain.js';
import { plansJson } from '../../src/backends/kernel/plan/explain-json.js';
import { parseSchedules, refuseIllegal } from '../../src/backends/kernel/plan/schedule-file.js';
import type { GpuOptions } from '../../src/backends/option-set.js';
import { fail } from '../../src/ir/diagnostics.js';
import { safetensorsOutput } from '../../src/ir/files/safetensors.js';
import { planModel } from '../../src/ir/onnx/writer.js';
import type { ValuesOf } from '../../src/options/define.js';
import { refuseUsage } from '../../src/options/usage.js';
import { DEFAULT_OPTIMIZER } from '../../src/train/optimizers/index.js';
import { writeFolder } from '../folder.js';
import { hooksOf } from '../hooks.js';
import { loadModel, readText } from '../load.js';
import type { Run } from '../program.js';
import { STANDARD } from '../standard-streams.js';
import { tell } from '../tell.js';
import { count } from '../text.js';

type EmitGpuOptions = ValuesOf<GpuOptions>;

/**
 * Prints the plan of the kernels for each number of tokens (--explain), or writes the kernels, the module or C library that
 * runs them and the plan into a folder. Reads no weights.
 */
export async function emitGpuCommand(
  backEnd: BackEnd,
  path: string,
  options: EmitGpuOptions,
  run: Run,
): Promise<void> {
  const { output } = options;
  if (!options.explain) {
    if (output === STANDARD) refuseUsage('-o names a folder: kernels are several files');
    if (!output) refuseUsage('-o FOLDER is missing (or --explain)');
    if (options.json) refuseUsage('--json is for --explain');
    if (options.tokens.length > 1) refuseUsage('kernels are written for one number of tokens');
  }
  if (options.maxRank !== undefined) refuseRows(options);
  if (options.adapters > 1 && options.for === 'train') {
    refuseUsage('--adapters is for serving: add --for serve');
  }
  if (options.merge && options.for === 'train') {
    refuseUsage('--merge is for serving one adapter: add --for serve');
  }
  if (options.merge && options.adapters > 1) {
    refuseUsage('--merge folds one adapter into the weights: leave --adapters out');
  }
  if (options.optimizer !== undefined && options.for === 'serve') {
    refuseUsage('--optimizer is for training: leave it out with --for serve');
  }
  if (options.segments) refuseSegments(options);
  if (options.arch !== undefined && options.device !== undefined) {
    refuseUsage('--arch and --device exclude each other');
  }
  const device = deviceOf(backEnd, options);
  refuseMatrices(options, device);
  const { schedules: file } = options;
  const schedules = file === undefined ? [] : parseSchedules(readText(file), file, TARGETS);
  if (file !== undefined) refuseIllegal(schedules, device, file);
  const contraction = contract(loadModel(path), {
    hooks: hooksOf(options, run, path),
    packed: device.features.includes('packed'),
  });
  if (options.tf32 && options.tf32x3) refuseUsage('--tf32 and --tf32x3 exclude each other');
  const rounding = options.tf32x3 ? 'tf32x3' : options.tf32 ? 'tf32' : null;
  const { optimizer = DEFAULT_OPTIMIZER.kind, adapters, maxRank: mostRank } = options;
  const halfSums = options.accumulate === 'f16';
  const emitted: EmitOptions = { architectures: architecturesOf(options, device), halfSums, optimizer };
  const planned = await Promise.all(
    options.tokens.map(async (tokens) => {
      const rows = { device, tokens, adapters, ...(mostRank === undefined ? {} : { mostRank }) };
      const lowering = await backEnd.lowering?.(rows, emitted);
      return choose(contraction, {
        ...rows,
        purpose: options.for,
        schedules,
        ...(options.dtype ? { dtype: options.dtype } : {}),
        ...(rounding ? { rounding } : {}),
        ...(options.strategy ? { strategy: options.strategy } : {}),
        ...(options.merge ? { merging: true } : {}),
        ...(options.subgroups ? { subgroups: true } : {}),
        ...(options.subgroupMatrix ? { matrix: options.subgroupMatrix } : {}),
        ...(lowering ? { emitted: (launch: Launch) => lowering.of(launch) } : {}),
      });
    }),
  );
  if (rounding && planned[0]!.dtype !== 'f32') {
    refuseUsage(`--${rounding} is for float32: the operands are ${planned[0]!.dtype}`);
  }
  if (halfSums && planned[0]!.dtype !== 'f16') {
    refuseUsage(`--accumulate f16 is for --dtype f16: the operands are ${planned[0]!.dtype}`);
  }
  const shape = options.subgroupMatrix;
  if (shape && subgroupMatrix(shape).type !== planned[0]!.dtype) {
    refuseUsage(
      `--subgroup-matrix ${shape} multiplies ${subgroupMatrix(shape).type}: the operands are ${planned[0]!.dtype}`,
    );
  }
  for (const plan of planned) for (const problem of backEnd.check(plan, emitted)) fail(problem);
  const emissions = await Promise.all(planned.map((plan) => backEnd.emit(plan, emitted)));
  const plans = emissions.map(({ plan }) => plan);
  for (const plan of plans)
    if (shape && !launchesOf(plan).some(({ schedule }) => schedule.matrix))
      run.reporter.report([noMatricesTaken({ shape, tokens: plan.tokens })]);
  const texts = emissions.map(({ plan, beside }) => explainPlan(plan) + (beside?.() ?? ''));
  if (!options.explain) {
    const [plan] = plans;
    const segmented = options.segments ? await backEnd.segments!(() => loadModel(path), plan!) : null;
    const files = await emissions[0]!.files();
    const inputs = [path, file, options.device].filter((one) => one !== undefined);
    writeHost(
      [...files, ...(segmented ? [segmented.module] : []), { path: 'plan.txt', text: texts[0]! }],
      segmented,
      output!,
      inputs,
      options.clobber,
      run,
    );
    return;
  }
  run.io.out(options.json ? plansJson(plans) : texts.join('\n'));
}

/** What rows cannot have adapters of their own with. */
function refuseRows(options: EmitGpuOptions): void {
  if (options.for === 'train') refuseUsage('--max-rank is for serving: add --for serve');
  if (options.merge) refuseUsage('--merge folds one adapter into the weights: leave --max-rank out');
  if (options.strategy) refuseUsage('--max-rank has a form of its own: leave --form out');
}

/** Matrices that subgroups of the device do not multiply. */
function refuseMatrices({ subgroupMatrix: shape, accumulate }: EmitGpuOptions, device: DeviceProfile): void {
  if (shape === undefined) return;
  const wanted = matrixText(subgroupMatrix(shape, accumulate === 'f16'));
  const known = device.features.filter((name) => MATRIX_FEATURES.includes(name));
  if (!known.includes(wanted)) fail(noMatricesOnDevice({ device: device.name, wanted, known }));
}

/** What segments cannot be written with. */
function refuseSegments(options: EmitGpuOptions): void {
  if (options.explain) refuseUsage('--segments writes models: leave --explain out');
  if (options.for === 'train') refuseUsage('--segments is for serving: add --for serve');
  if (options.adapters > 1) refuseUsage('--segments runs one adapter at a time: leave --adapters out');
  if (options.maxRank !== undefined)
    refuseUsage('--segments runs one adapter at a time: leave --max-rank out');
}

/** Writes the files of a host, and the segments of a model, and says so. */
function writeHost(
  files: readonly EmittedFile[],
  segmented: SegmentedModel | null,
  folder: string,
  inputs: readonly string[],
  clobber: boolean,
  run: Run,
): void {
  const planned = (segmented?.models ?? []).map(({ path, model }) =>
    planModel(model, join(folder, path), { weights: 'inline' }),
  );
  const more = planned.flatMap(({ outputs }) => outputs);
  if (segmented) more.push(safetensorsOutput(join(folder, segmented.weightsPath), segmented.weights));
  writeFolder(files, folder, inputs, clobber, more);
  run.reporter.report(planned.flatMap(({ report }) => report.notes));
  const kernels = files.filter(({ path }) => path.startsWith('kernels/') && !/\.(h|cuh)$/.test(path));
  const others = files.flatMap(({ path }) => (path.includes('/') ? [] : [path]));
  if (files.some(({ path }) => path.startsWith('ort/'))) others.push('ort/');
  if (segmented) others.push(segmented.weightsPath, count(planned.length, 'segment'));
  const last = others.pop();
  tell(run, `wrote ${count(kernels.length, 'kernel')}, ${others.join(', ')} and ${last} to ${folder}\n`);
}

/** What the library is built for: the architectures that --arch lists, or that of the device. */
function architecturesOf({ arch }: EmitGpuOptions, device: DeviceProfile): readonly string[] {
  return arch === undefined ? [device.target] : [...new Set(arch.split(','))];
}

function deviceOf(backEnd: BackEnd, { device, arch }: EmitGpuOptions): DeviceProfile {
  const { devices, records } = backEnd;
  for (const wanted of arch?.split(',') ?? (device === undefined ? [] : [device]))
    refuseOther(wanted, backEnd);
  // the plan is for the first, the kernels run on all
  if (arch !== undefined) return arch.split(',').map((one) => deviceOfArch(one, devices))[0]!;
  if (records && device?.endsWith('.json')) return parseRecord(readText(device), device, devices);
  return device === undefined ? devices[0]! : deviceNamed(device, devices);
}

/** LOTR6120 for a device or an architecture of another command. */
function refuseOther(wanted: string, { name, devices }: BackEnd): void {
  const other = BACK_ENDS.find(
    (one) =>
      one.name !== name && one.devices.some((device) => device.name === wanted || device.target === wanted),
  );
  if (other) fail(deviceOfOther({ name: wanted, api: devices[0]!.platform, command: other.name }));
}

/** Devices that a file of schedules may have rows for. */
const TARGETS = [...new Set(BACK_ENDS.flatMap(({ devices }) => devices.map(({ target }) => target)))];
