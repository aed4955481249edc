import { createContext, Script } from 'node:vm';
import type { Platform } from './platform.js';
import { TooLong } from './too-long.js';

const context = createContext(Object.assign(Object.create(null), { work: null })) as {
  work: (() => void) | null;
};
const script = new Script('work()');

/** {@link Platform.withinTime} in Node. */
export const withinTime: Platform['withinTime'] = <T>(seconds: number, work: () => T): T => {
  let result: { readonly value: T } | null = null;
  context.work = () => {
    result = { value: work() };
  };
  try {
    // a script with a limit of time is the one thing that Node can stop in the middle of a match
    script.runInContext(context, { timeout: seconds * 1000 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new TooLong();
    throw error;
  } finally {
    context.work = null;
  }
  return result!.value as T;
};
