import { gguf, onnxAdapter, peft, safetensors } from './adapters.js';
import type { Format } from './format.js';
import { events } from './logs.js';
import { onnx, onnxtxt } from './models.js';
import { parquet } from './parquet.js';
import { schedules } from './schedules.js';
import { config, data, tokenizer } from './texts.js';
import { run, training } from './training.js';

/** Every kind of files that lotrc reads. */
export const FORMATS: readonly Format[] = [
  ...[onnx, onnxtxt, gguf, safetensors, onnxAdapter, peft],
  ...[training, run, tokenizer, config, data, parquet, events, schedules],
];

export function formatOf(name: string): Format {
  const found = FORMATS.find((format) => format.name === name);
  if (!found)
    throw new Error(`no format is called ${name}: ${FORMATS.map((format) => format.name).join(', ')}`);
  return found;
}
