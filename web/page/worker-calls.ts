import type { Diagnostic } from '../../src/ir/diagnostics.js';
import type { Answer, Call, Calls, RunEvent } from '../protocol.js';

/** A call that the worker refused, with its reasons. */
export class Refused extends Error {
  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(({ code, message }) => `${code}: ${message}`).join('\n'));
  }
}

interface Open {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The functions of the worker, which answers each call once. Each may throw {@link Refused}. */
export function startWorker(heard: (event: RunEvent) => void, ended: (why: string) => void): Calls {
  const worker = new Worker(new URL('../worker/worker.ts', import.meta.url), { type: 'module' });
  const open = new Map<number, Open>();
  let last = 0;
  worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    if ('event' in data) return heard(data.event);
    const call = open.get(data.id)!;
    open.delete(data.id);
    if ('failed' in data) call.reject(new Refused(data.failed));
    else call.resolve(data.value);
  });
  worker.addEventListener('error', ({ message }) => ended(message));
  return new Proxy({} as Calls, {
    get:
      (_, name: keyof Calls) =>
      (...given: readonly unknown[]) =>
        new Promise((resolve, reject) => {
          const id = ++last;
          open.set(id, { resolve, reject });
          worker.postMessage({ id, name, given } satisfies Call);
        }),
  });
}
