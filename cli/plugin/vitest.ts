import { resolve } from 'node:path';
import { expect } from 'vitest';
import { goldenMissing } from '../../src/ir/codes/build.js';
import { formatDiagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { checkModel } from '../build/golden.js';

/** How a model is compared. */
export interface ModelMatchOptions {
  /** folder of the golden files, which `lotrc check` has too; default `golden` */
  readonly golden?: string | undefined;
  /** false: structure and weights only, which needs no onnxruntime-node */
  readonly numbers?: boolean | undefined;
}

declare module 'vitest' {
  interface Matchers<T> {
    /**
     * Compares the model at this path with its golden files, as `lotrc check` does. They are written as snapshots are: missing ones
     * outside continuous integration, all with `vitest --update`.
     */
    toMatchModel(options?: ModelMatchOptions): T extends string ? Promise<void> : never;
  }
}

/** What vitest tells a matcher. */
interface Asked {
  readonly isNot?: boolean;
  readonly snapshotState?: { readonly snapshotUpdateState?: string };
}

/** The matcher. Importing this module adds it to `expect`. */
export async function toMatchModel(
  this: Asked,
  path: unknown,
  options: ModelMatchOptions = {},
): Promise<{ readonly pass: boolean; readonly message: () => string }> {
  if (typeof path !== 'string') throw new TypeError('toMatchModel takes the path of a model');
  const { golden = 'golden', numbers = true } = options;
  const checked = await checkModel(resolve(path), resolve(golden), numbers).catch((error: unknown) => {
    if (error instanceof LotrcError) error.stack = error.message;
    throw error;
  });
  const findings = checked.filter((finding) => finding !== null);
  const update = this.isNot ? 'none' : this.snapshotState?.snapshotUpdateState;
  const written = findings.filter(
    ({ diagnostic }) => update === 'all' || (update === 'new' && diagnostic.code === goldenMissing.code),
  );
  writeAtomically(written.map(({ output }) => output));
  const left = findings.filter((finding) => !written.includes(finding));
  return {
    pass: left.length === 0,
    message: () =>
      left.length === 0
        ? `${path} is as its golden files say`
        : left.map(({ diagnostic, shown }) => `${formatDiagnostic(diagnostic)}\n${shown}`).join('\n'),
  };
}

expect.extend({ toMatchModel });
