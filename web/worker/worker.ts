import { internal } from '../../src/ir/codes/cli.js';
import { type Diagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import type { Answer, Call, Calls } from '../protocol.js';
import { Studio } from './studio.js';

/** The worker: answers the calls of the page, one message each. */

const studio: Calls = new Studio((event) => answer({ event }));

addEventListener('message', ({ data }: MessageEvent<Call>) => {
  const { id, name, given } = data;
  const call = studio[name] as (...given: readonly unknown[]) => Promise<unknown>;
  call.apply(studio, [...given]).then(
    (value) => answer({ id, value }),
    (error: unknown) => answer({ id, failed: diagnosticsOf(error) }),
  );
});

function answer(message: Answer): void {
  postMessage(message);
}

function diagnosticsOf(error: unknown): readonly Diagnostic[] {
  if (error instanceof LotrcError) return error.diagnostics;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return [internal({ what, file: null })];
}
