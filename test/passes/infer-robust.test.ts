import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Attr } from '../../src/ir/attr.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import type { DType } from '../../src/ir/dtype.js';
import type { Model } from '../../src/ir/model.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import type { Dim } from '../../src/ir/shape.js';
import { inferShapes } from '../../src/passes/infer-shapes.js';
import { onnxFiles, sharedDir } from '../support/shared.js';

/** Inference never throws and never runs away, whatever a file holds: models damaged at random by a seeded generator. */

function generator(seed: number): <T>(choices: readonly T[]) => T {
  let state = seed;
  return (choices) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return choices[(state >> 8) % choices.length]!;
  };
}

const NUMBERS = [0, 1, -1, 2, -7, 100, 2 ** 31];

function damage(model: Model, pick: ReturnType<typeof generator>): void {
  const nodes = [...model.everyNode()];
  if (nodes.length === 0) return;
  const other = (attr: Attr): Attr | null => {
    if (attr.kind === 'int') return { kind: 'int', value: pick(NUMBERS) };
    if (attr.kind === 'ints')
      return { kind: 'ints', value: Array.from({ length: pick([0, 1, 2, 5]) }, () => pick(NUMBERS)) };
    if (attr.kind === 'string')
      return { kind: 'string', value: new Uint8Array([pick([65, 46, 255]), 44, 45, 62]) };
    return pick([attr, { kind: 'float', value: 1.5 } as const, null]);
  };
  for (let k = 0; k <= nodes.length / 6; k++) {
    const node = pick(nodes);
    const [names, slots] = [[...node.attrs.keys()], [...node.inputs.keys()]];
    const what = pick(['cut', 'attr', 'drop', 'join', 'type', 'version']);
    if (what === 'cut' && slots.length > 0) node.setInput(pick(slots), null);
    if (what === 'attr' && names.length > 0) {
      const name = pick(names);
      node.setAttr(name, other(node.attrs.get(name)!));
    }
    if (what === 'drop' && names.length > 0) node.setAttr(pick(names), null);
    if (what === 'join' && slots.length > 0) node.setInput(pick(slots), pick(nodes).outputs[0] ?? null);
    if (what === 'type' && model.graph.inputs.length > 0) {
      const dtype = pick<DType>(['f32', 'i64', 'bool', 'string']);
      const shape = Array.from({ length: pick([0, 1, 2, 3, 6]) }, () =>
        pick<Dim>([null, 'b', 0, 1, 3, 2 ** 31]),
      );
      pick(model.graph.inputs).setType({ kind: 'tensor', dtype, shape: pick([shape, shape, null]) }, true);
    }
    if (what === 'version' && pick([0, 0, 0, 1])) model.setOpset('', pick([1, 5, 6, 7, 9, 11, 13, 18, 23]));
  }
}

const shared = sharedDir();
const files = [
  ...onnxFiles(join(import.meta.dirname, '../data/oracle')),
  ...(shared ? onnxFiles(join(shared, 'models/small')) : []),
];

test.each([1, 2, 3])('damaged models, seed %i', (seed) => {
  const pick = generator(seed);
  for (const path of files) {
    let model: Model;
    try {
      model = readModel(path);
    } catch (error) {
      if (error instanceof LotrcError) continue;
      throw error;
    }
    damage(model, pick);
    for (const { severity } of inferShapes(model)) expect(severity).toBe('warning');
    for (const value of model.graph.ownValues()) {
      if (value.producer === null || value.type?.kind !== 'tensor') continue;
      for (const dim of value.type.shape ?? []) {
        if (typeof dim === 'number')
          expect(Number.isInteger(dim) && dim >= 0, `${path} ${value.name}`).toBe(true);
      }
    }
  }
});
