import { Worker } from 'node:worker_threads';
import { type Diagnostic, LotrcError } from '../../ir/diagnostics.js';

/** The answer to a request: a value, the diagnostics of a refusal, or a bug in lotrc. */
export type WorkerReply =
  | { readonly id: number; readonly kind: 'value'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'refused'; readonly diagnostics: readonly Diagnostic[] }
  | { readonly id: number; readonly kind: 'defect'; readonly what: string };

/** Makes this process one that `WorkerProcess` starts: answers its requests until it closes the channel or is gone. */
export function answerRequests<Request>(answer: (request: Request) => Promise<unknown>): void {
  // the process that started this one gives its id: it may have ended before this line runs
  new Worker(new URL('./watchdog.js', import.meta.url), { workerData: Number(process.argv[2]) }).unref();
  // a signal to all processes of a service asks the other one, which ends this one when it needs it no more
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  process.on('message', ({ id, request }: { readonly id: number; readonly request: Request }) => {
    answer(request)
      .then((value) => reply({ id, kind: 'value', value }))
      .catch((error: unknown) => {
        if (error instanceof LotrcError) reply({ id, kind: 'refused', diagnostics: error.diagnostics });
        else
          reply({
            id,
            kind: 'defect',
            what: error instanceof Error ? `${error.stack}` : `not an error: ${error}`,
          });
      });
  });
}

function reply(message: WorkerReply): void {
  // nobody to tell when the other process is gone
  if (process.connected) process.send!(message);
}
