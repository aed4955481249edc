import { add, define, id, type Kernel, load, lt, mul, ref, store, u32 } from '../ir/kir.js';
import type { KernelDtype } from '../model/types.js';
import { Parameters, vectorOf } from './parameters.js';

/** Invocations of a workgroup; each rounds one number. */
export const CAST_WIDTH = 64;

/** Rounds the `elements` numbers of the buffer `wide`, in f32, to the type of the buffer `narrow`. */
export function castKernel(name: string, elements: number, dtype: KernelDtype): Kernel {
  const params = new Parameters();
  const vector = (buffer: string) => vectorOf(buffer, elements);
  params.reads('wide', 'f32');
  params.writes('narrow', dtype);
  const at = [ref('u32', 'element')];
  return {
    name,
    about: [`Rounds ${elements} numbers to ${dtype}.`],
    workgroup: [CAST_WIDTH, 1, 1],
    ...params.list(),
    arrays: [],
    body: [
      define('element', add(mul(id('group', 0), u32(CAST_WIDTH)), id('local', 0))),
      {
        s: 'if',
        cond: lt(ref('u32', 'element'), u32(elements)),
        body: [store(vector('narrow'), at, load(vector('wide'), at))],
      },
    ],
  };
}
