import { choose, type FormKey } from '../../src/backends/kernel/choose.js';
import { contract } from '../../src/backends/kernel/contract.js';
import { explainPlan } from '../../src/backends/kernel/explain.js';
import { plansJson } from '../../src/backends/kernel/explain-json.js';
import { profile, profileOfArch, profilesOf } from '../../src/backends/kernel/profiles.js';
import { parseSchedules } from '../../src/backends/kernel/schedule-file.js';
import type { DeviceProfile, KernelDtype } from '../../src/backends/kernel/types.js';
import { onlyExplained } from '../../src/ir/codes/kernels.js';
import { fail } from '../../src/ir/diagnostics.js';
import { loadModel, readText } from '../load.js';
import type { Run } from '../program.js';
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
}

/** Prints the plan of the kernels for each number of tokens. Reads no weights and writes nothing. */
export function emitGpuCommand(
  target: 'wgsl' | 'cuda',
  path: string,
  options: EmitGpuOptions,
  run: Run,
): void {
  if (!options.explain) fail(onlyExplained({ target }));
  if (options.adapters > 1 && options.for === 'train') {
    throw usageError('--adapters is for serving: add --for serve');
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
    }),
  );
  run.io.out(options.json ? plansJson(plans) : plans.map(explainPlan).join('\n'));
}

function deviceOf(target: 'wgsl' | 'cuda', { device, arch }: EmitGpuOptions): DeviceProfile {
  const api = target === 'wgsl' ? 'webgpu' : 'cuda';
  if (arch !== undefined) return profileOfArch(arch);
  return device === undefined ? profilesOf(api)[0]! : profile(device, api);
}
