import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { onnxAdapterOutput } from '../../src/ir/files/onnx-adapter.js';
import { peftOutputs, toPeft } from '../../src/ir/files/peft.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel, writeModel } from '../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { rewrite } from '../../src/rewrite.js';
import type { Workspace } from './workspace.js';

/** Well-formed files of every format that mutations start from. */
export interface Seeds {
  readonly models: readonly Uint8Array[];
  readonly texts: readonly string[];
  readonly safetensors: readonly Uint8Array[];
  readonly flat: readonly Uint8Array[];
  /** text of adapter_config.json */
  readonly peft: readonly string[];
}

/**
 * The seeds in `folder`: models as text and as ONNX. To them come their forms with adapters, and adapter files of each
 * format, made by lotrc itself.
 */
export function loadSeeds(folder: string, workspace: Workspace): Seeds {
  const models: Uint8Array[] = [];
  const texts: string[] = [];
  const made = { safetensors: [] as Uint8Array[], flat: [] as Uint8Array[], peft: [] as string[] };
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const isText = name.endsWith('.onnxtxt');
    if (!isText && !name.endsWith('.onnx')) continue;
    const text = isText ? readFileSync(path, 'utf8') : printModel(readModel(path));
    const bytes = isText ? encoded(text, workspace) : readFileSync(path);
    texts.push(text);
    models.push(bytes);
    for (const method of ['lotr', 'lora'] as const)
      derive(bytes, method, workspace, { models, texts, ...made });
  }
  return { models, texts, ...made };
}

/** A text as ONNX; its external data stay external. */
function encoded(text: string, workspace: Workspace): Uint8Array {
  const model = parseModel(text, workspace.path('seed.onnxtxt'));
  if (!text.includes('"location"')) return encodeModel(model);
  writeModel(model, workspace.path('seed.onnx'), { weights: 'link' });
  return readFileSync(workspace.path('seed.onnx'));
}

function derive(
  bytes: Uint8Array,
  method: 'lotr' | 'lora',
  workspace: Workspace,
  into: {
    models: Uint8Array[];
    texts: string[];
    safetensors: Uint8Array[];
    flat: Uint8Array[];
    peft: string[];
  },
): void {
  const path = workspace.path('seed.onnx');
  writeFileSync(path, bytes);
  const model = readModel(path);
  try {
    const { adapter, plan } = rewrite(model, {
      rank: 1,
      targets: ['.*'],
      ...(method === 'lora' ? { spec: LORA } : {}),
    });
    writeModel(model, workspace.path('adapted.onnx'));
    into.models.push(readFileSync(workspace.path('adapted.onnx')));
    into.texts.push(printModel(model));
    writeSafetensors(workspace.path('seed.safetensors'), adapter.tensors, adapter.metadata);
    into.safetensors.push(readFileSync(workspace.path('seed.safetensors')));
    writeAtomically([onnxAdapterOutput(workspace.path('seed.onnx_adapter'), adapter.tensors)]);
    into.flat.push(readFileSync(workspace.path('seed.onnx_adapter')));
    mkdirSync(workspace.path('peft'), { recursive: true });
    const folder = workspace.path('peft');
    for (const row of plan.plans) writeAtomically(peftOutputs(folder, toPeft(row, adapter.tensors)));
    into.peft.push(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    into.safetensors.push(readFileSync(join(folder, 'adapter_model.safetensors')));
  } catch (error) {
    // a seed without a layer to adapt has no adapted form, and not every adapter has each file format
    if (!(error instanceof LotrcError)) throw error;
  }
}
