import {
  add,
  and,
  define,
  div,
  id,
  type Kernel,
  load,
  lt,
  mod,
  mul,
  ref,
  store,
  type U32,
  u32,
} from '../ir/kir.js';
import type { KernelDtype } from '../model/types.js';
import { Parameters, vectorOf } from './parameters.js';

/** Invocations of a workgroup; each rounds one number. */
export const CAST_WIDTH = 64;

/** Rows of numbers that lie further apart in the result. */
export interface Apart {
  readonly cols: number;
  /** elements from one row to the next */
  readonly pitch: number;
}

/**
 * Rounds the `elements` numbers of the buffer `wide`, in f32, to the type of the buffer `narrow`, where rows may lie `apart`. What
 * lies between rows there is left as it is.
 */
export function castKernel(name: string, elements: number, dtype: KernelDtype, apart?: Apart): Kernel {
  const params = new Parameters();
  const room = apart ? (elements / apart.cols) * apart.pitch : elements;
  params.reads('wide', 'f32');
  params.writes('narrow', dtype);
  const element = ref('u32', 'element');
  const place = apart ? ref('u32', 'place') : element;
  const inside = lt(element, u32(elements));
  return {
    name,
    about: [`Rounds ${elements} numbers to ${dtype}.`],
    workgroup: [CAST_WIDTH, 1, 1],
    ...params.list(),
    arrays: [],
    body: [
      define('element', add(mul(id('group', 0), u32(CAST_WIDTH)), id('local', 0))),
      ...(apart ? [define('place', placeOf(element, apart))] : []),
      {
        s: 'if',
        cond: apart ? and(inside, lt(place, u32(room))) : inside,
        body: [store(vectorOf('narrow', room), [place], load(vectorOf('wide', elements), [element]))],
      },
    ],
  };
}

const placeOf = (element: U32, { cols, pitch }: Apart): U32 =>
  add(mul(div(element, u32(cols)), u32(pitch)), mod(element, u32(cols)));
