import { arch, platform } from 'node:os';
import type { StudyRun } from '../../src/build/study/grid.js';
import type { RunRecord } from '../../src/build/study/record.js';

/**
 * A run as PEFT's method comparison writes one (method_comparison in its repository): run_info, train_info, meta_info. What was not
 * measured is null: rows of a study have no times, so that they are the same wherever it runs.
 */
export function peftResultOf(task: string, { options, varied }: StudyRun, record: RunRecord): object {
  const { method, lr, seed, maxSteps, batchSize, maxLength } = options;
  const steps = record.last === undefined ? null : (maxSteps ?? null);
  const metrics = Object.entries(record.last ?? {}).map(([name, value]) => [`test ${name}`, value]);
  return {
    run_info: {
      created_at: null,
      total_time: null,
      experiment_name: [
        task,
        ...Object.entries(varied).map(([key, value]) => `${key}=${String(value)}`),
      ].join('/'),
      peft_branch: null,
      train_config: {
        model_id: task === 'moby' ? 'charlm' : 'sentiment',
        dtype: 'float32',
        max_seq_length: maxLength,
        batch_size: batchSize,
        max_steps: maxSteps,
        seed,
        grad_norm_clip: 1,
        optimizer_type: 'AdamW',
        optimizer_kwargs: { lr, weight_decay: 0 },
        lr_scheduler: 'linear',
      },
      // null is full fine-tuning there
      peft_config:
        method === 'full.json'
          ? null
          : { peft_type: String(method).toUpperCase(), ...varied, target_modules: options.targets },
      error_msg: record.why ?? '',
    },
    train_info: {
      accelerator_memory_reserved_avg: null,
      accelerator_memory_max: null,
      accelerator_memory_reserved_99th: null,
      train_time: null,
      file_size: null,
      num_trainable_params: record.parameters ?? null,
      num_total_params: null,
      status: record.status === 'done' ? 'success' : 'failed',
      metrics:
        record.last === undefined
          ? []
          : [
              {
                step: steps,
                ...Object.fromEntries(metrics),
                'train samples': Number(steps) * Number(batchSize),
              },
            ],
    },
    meta_info: {
      model_info: null,
      dataset_info: { [task]: { study_run: record.id } },
      package_info: {},
      system_info: { system: platform(), machine: arch() },
    },
  };
}
