import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Share that rows may take. V8 gives up soon after four fifths, when collections take more time than work. */
const FULL = 0.75;

/** Room for new objects, which V8 has three times: to fill, to copy to, and for large ones. */
const YOUNG = 3 * (16 << 20);

let collect: (() => void) | null = null;

/** Whether what is held leaves too little of the memory that Node.js gives to objects. Beyond its end the process is aborted. */
export function heapIsFull(): boolean {
  if (!isFull()) return false;
  // much of it may be garbage: only a collection tells
  setFlagsFromString('--expose-gc');
  collect ??= runInNewContext('gc') as () => void;
  collect();
  return isFull();
}

const isFull = (): boolean => getHeapStatistics().used_heap_size > FULL * forOld();

/** Bytes for objects that stay: the limit also has room for new ones. */
const forOld = (): number => getHeapStatistics().heap_size_limit - YOUNG;

/** MiB that Node.js gives to objects that stay. */
export const heapLimit = (): number => Math.round(forOld() / 2 ** 20);
