import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import type { Model } from '../../../src/ir/model.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { verify } from '../../../src/ir/verify.js';
import { findLinears } from '../../../src/passes/sites/find.js';
import { unpackLayers } from '../../../src/passes/unpack/unpack.js';
import { EVERYTHING } from '../../support/everything.js';
import { onnxFiles, sharedDir } from '../../support/shared.js';

const shared = sharedDir();

const errors = (model: Model) => verify(model).filter(({ severity }) => severity === 'error');

/** The model, if it can be read and is sound. */
function sound(path: string): Model | null {
  try {
    const model = readModel(path);
    return errors(model).length === 0 ? model : null;
  } catch (error) {
    if (error instanceof LotrcError) return null;
    throw error;
  }
}

describe.runIf(shared)('every sound file', () => {
  const changed: Record<string, [calls: number, nodes: number, layers: number, refused: number]> = {};

  test('stays sound, and what is unpacked once is not unpacked again', () => {
    const folders = EVERYTHING ? ['oracle', 'models'] : ['models/optimised', 'models/structure'];
    for (const path of folders.flatMap((folder) => onnxFiles(join(shared!, folder)))) {
      const model = sound(path);
      if (!model) continue;
      const { calls, nodes } = unpackLayers(model);
      expect(errors(model), path).toEqual([]);
      expect(unpackLayers(model), path).toEqual({ calls: 0, nodes: new Map(), stacks: 0 });
      if (calls === 0 && nodes.size === 0) continue;
      const { sites, refused } = findLinears(model);
      const count = [...nodes.values()].reduce((sum, n) => sum + n, 0);
      changed[relative(shared!, path)] = [calls, count, sites.length, refused.length];
    }
  });

  test('gives the layers that functions and packed attention hid', () => {
    expect(changed).toMatchObject({
      'models/optimised/tiny_gpt2_contrib_fp16.onnx': [0, 5, 31, 0],
      'models/optimised/tiny_gpt2_contrib_fp32.onnx': [0, 5, 31, 0],
      'models/structure/bert_functions_op17.onnx': [8, 0, 25, 0],
      'models/structure/gpt2_beamsearch_subgraph_contrib.onnx': [0, 5, 31, 0],
    });
  });
});
