import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeSafetensors, openSafetensors } from '../../src/core/adapters.js';
import { f32Tensor } from '../../src/ir/tensor.js';
import { toF32 } from '../../src/ir/values.js';

test('the program of docs/kernels-webgpu.md makes an adapter file of what a module has trained', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/kernels-webgpu.md'), 'utf8');
  const [, program] = /```js\nimport .* from 'lotrc\/core';\n([\s\S]*?)```/.exec(page)!;
  const metadata = { 'lotrc.adapters': '{"version":1,"plans":[]}' };
  const old = {
    d: f32Tensor([3], [1, 2, 3]),
    M: f32Tensor([2, 2], [0, 0, 0, 0]),
    other: f32Tensor([1], [9]),
  };
  const file = encodeSafetensors(new Map(Object.entries(old)), metadata);
  const trained = {
    A: new Float32Array([5]),
    M: new Float32Array([1, -2, 3, 0.5]),
    d: new Float32Array([4, 5, 6]),
  };
  const names = ['encodeSafetensors', 'f32Tensor', 'readSafetensors', 'file', 'host'];
  const run = new Function(...names, `return (async () => { ${program} return bytes; })();`);
  const host = { readAdapter: async () => trained };
  const bytes: Uint8Array = await run(encodeSafetensors, f32Tensor, openSafetensors, file, host);
  const again = await openSafetensors(bytes);
  expect(again.metadata).toEqual(metadata);
  expect([...again.tensors].map(([name, tensor]) => [name, tensor.shape, [...toF32(tensor)]])).toEqual([
    ['d', [3], [4, 5, 6]],
    ['M', [2, 2], [1, -2, 3, 0.5]],
    ['other', [1], [9]],
  ]);
});
