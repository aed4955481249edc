import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cudaHost } from '../../src/backends/host/cuda.js';
import { loweredPlan } from '../../src/backends/host/cuda-lower.js';
import type { TextFile } from '../../src/backends/host/text-file.js';
import { typescriptHost } from '../../src/backends/host/typescript.js';
import { choose, type FormKey } from '../../src/backends/kernel/choose.js';
import { contract } from '../../src/backends/kernel/contract.js';
import { explainPlan } from '../../src/backends/kernel/explain.js';
import { plansJson } from '../../src/backends/kernel/explain-json.js';
import { profile, profileOfArch, profilesOf } from '../../src/backends/kernel/profiles.js';
import { parseSchedules } from '../../src/backends/kernel/schedule-file.js';
import type { DeviceProfile, KernelDtype } from '../../src/backends/kernel/types.js';
import { cannotWrite } from '../../src/ir/codes/load.js';
import { fail } from '../../src/ir/diagnostics.js';
import { isSystemError, writeAtomically } from '../../src/ir/files/atomic.js';
import type { ByteSink } from '../../src/ir/tensor.js';
import { loadModel, readText } from '../load.js';
import { refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { count } from '../text.js';
import { usageError } from '../usage.js';

export interface EmitGpuOptions {
  readonly output?: string;
  readonly explain?: true;
  readonly device?: string;
  readonly arch?: string;
  readonly tokens: readonly number[];
  readonly dtype?: KernelDtype;
  readonly for: 'train' | 'serve';
  readonly adapters: number;
  readonly form?: FormKey;
  readonly schedules?: string;
  readonly json?: true;
  readonly tf32?: true;
  readonly merge?: true;
  readonly subgroups?: true;
}

/**
 * Prints the plan of the kernels for each number of tokens (--explain), or writes the kernels, the module or C library that
 * runs them and the plan into a folder. Reads no weights.
 */
export function emitGpuCommand(
  target: 'wgsl' | 'cuda',
  path: string,
  options: EmitGpuOptions,
  run: Run,
): void {
  const { output } = options;
  if (!options.explain) {
    if (output === undefined) throw usageError('-o FOLDER is missing (or --explain)');
    if (options.json) throw usageError('--json is for --explain');
    if (options.tokens.length > 1) throw usageError('kernels are written for one number of tokens');
  }
  if (options.adapters > 1 && options.for === 'train') {
    throw usageError('--adapters is for serving: add --for serve');
  }
  if (options.merge && (options.for === 'train' || options.adapters > 1)) {
    throw usageError('--merge is for serving one adapter: add --for serve');
  }
  if (options.arch !== undefined && options.device !== undefined) {
    throw usageError('--arch and --device exclude each other');
  }
  const device = deviceOf(target, options);
  const { schedules: file } = options;
  const schedules = file === undefined ? [] : parseSchedules(readText(file), file);
  const contraction = contract(loadModel(path));
  const plans = options.tokens.map((tokens) =>
    choose(contraction, {
      device,
      tokens,
      purpose: options.for,
      adapters: options.adapters,
      schedules,
      ...(options.dtype ? { dtype: options.dtype } : {}),
      ...(options.form ? { form: options.form } : {}),
      ...(options.merge ? { merging: true } : {}),
      ...(options.subgroups ? { subgroups: true } : {}),
    }),
  );
  if (!options.explain) {
    const tf32 = options.tf32 ?? false;
    const plan = target === 'wgsl' ? plans[0]! : loweredPlan(plans[0]!, tf32);
    const files =
      target === 'wgsl' ? typescriptHost(plan) : cudaHost(plan, architecturesOf(options, device), { tf32 });
    writeHost([...files, { path: 'plan.txt', text: explainPlan(plan) }], output!, path, run);
    return;
  }
  run.io.out(options.json ? plansJson(plans) : plans.map(explainPlan).join('\n'));
}

/** Writes the files of a folder, all or none. */
function writeHost(files: readonly TextFile[], folder: string, model: string, run: Run): void {
  try {
    for (const { path } of files) mkdirSync(join(folder, dirname(path)), { recursive: true });
  } catch (error) {
    if (isSystemError(error)) fail(cannotWrite({ file: folder, why: error.message }));
    throw error;
  }
  const outputs = files.map(({ path, text }) => ({
    path: join(folder, path),
    write: (sink: ByteSink) => sink.write(Buffer.from(text)),
  }));
  refuseInputs(
    outputs.map(({ path }) => path),
    [model],
  );
  writeAtomically(outputs);
  const kernels = files.filter(({ path }) => /^kernels\/.*\.(wgsl|cu)$/.test(path));
  const others = files.flatMap(({ path }) => (path.includes('/') ? [] : [path]));
  if (files.some(({ path }) => path.startsWith('ort/'))) others.push('ort/');
  const last = others.pop();
  run.io.out(`wrote ${count(kernels.length, 'kernel')}, ${others.join(', ')} and ${last} to ${folder}\n`);
}

/** What the library is built for: the architectures that --arch lists, or that of the device. */
function architecturesOf({ arch }: EmitGpuOptions, device: DeviceProfile): readonly string[] {
  return arch === undefined ? [device.target] : arch.split(',');
}

function deviceOf(target: 'wgsl' | 'cuda', { device, arch }: EmitGpuOptions): DeviceProfile {
  const api = target === 'wgsl' ? 'webgpu' : 'cuda';
  // the plan is for the first, the kernels run on all
  if (arch !== undefined) return arch.split(',').map(profileOfArch)[0]!;
  return device === undefined ? profilesOf(api)[0]! : profile(device, api);
}
