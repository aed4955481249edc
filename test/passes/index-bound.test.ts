import { expect, test } from 'vitest';
import { parseModel } from '../../src/ir/text/index.js';
import { indexBound } from '../../src/passes/index-bound.js';

const TABLES = 'float[7,3] words, float[5,3] positions, float[3] w';

test.each([
  ['rows of a table', 'y = Gather (words, ids)', 7, 7],
  ['the smaller of two tables', 'a = Gather (words, ids) b = Gather (positions, ids) y = Add (a, b)', 5, 5],
  [
    'past ops that hand all indices on',
    'a = Tile (ids, twice) b = Cast <to = 7> (a) y = Gather (words, b)',
    7,
    7,
  ],
  ['a part of the indices', 'a, b = Split (ids, halves) y = Gather (words, b)', null, 7],
  ['columns of a table', 'y = Gather <axis = 1> (words, ids)', null, 3],
  ['a sum of indices', 'a = Add (ids, twice) y = Gather (words, a)', null, null],
  [
    'an embedding of com.microsoft, segments first',
    'y, mask = com.microsoft.EmbedLayerNormalization (other, ids, words, words, positions, w, w)',
    5,
    5,
  ],
])('%s', (_, nodes, needed, safe) => {
  const model = parseModel(`<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1]>
    g (int64[2] ids, int32[1,2] other) => (y)
    <${TABLES}, int64[1] twice = {2}, int64[2] halves = {1, 1}> { ${nodes} }`);
  const ids = model.graph.inputs[0]!;
  expect([indexBound(ids, 'needed'), indexBound(ids, 'safe')]).toEqual([needed, safe]);
});
