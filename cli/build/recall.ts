import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type States, stateAt } from '../../src/build/file-state.js';
import type { BuildStep } from '../../src/build/steps.js';
import type { Counts, MadeFile } from '../../src/build/store.js';
import { readRegular } from '../../src/ir/files/regular.js';
import { Unreadable } from '../../src/ir/files/unreadable.js';
import { version } from '../version.js';
import type { Built } from './run.js';

/** How builds are remembered; another format is not read. */
const FORMAT = 1;

/** The last build of a config, whose outputs all are there. */
interface Memory {
  readonly format: typeof FORMAT;
  readonly version: string;
  /** every file that was read or looked for, absolute, with the state in which it was */
  readonly reads: Readonly<Record<string, string>>;
  /** every output and its folder, likewise */
  readonly outputs: Readonly<Record<string, string>>;
  readonly steps: readonly {
    readonly step: BuildStep;
    readonly about: string;
    readonly counts: Counts | null;
    readonly files: readonly MadeFile[];
  }[];
  readonly folder: string;
  readonly golden: string;
}

/** Where the last build of a config is remembered. `kind`: what of it. */
export function memoryOf(cache: string, config: string, kind: string): string {
  return join(cache, 'last', `${digestOf(config).slice(0, 16)}.${kind}`);
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * What a build of a config would find, where every file that the last one read and wrote is as it was then: that all is up to
 * date. null where anything is not the same, or nothing is remembered. Of each file only the state is looked at.
 */
export function recalled(cache: string, config: string): Built | null {
  const memory = read(memoryOf(cache, config, 'whole'));
  if (memory === null || memory.version !== version()) return null;
  const { reads, outputs, steps, folder, golden } = memory;
  for (const [path, state] of [...Object.entries(reads), ...Object.entries(outputs)])
    if (stateAt(path) !== state) return null;
  const outcomes = steps.map((step) => ({ ...step, result: 'up to date' as const }));
  return { outcomes, reads: new Map(Object.entries(reads)), folder, golden };
}

/** What is remembered of a build whose outputs are as it left them: a text for `recalled`. `outputs`: their states, and those of their folders. */
export function memoryText({ outcomes, reads, folder, golden }: Built, outputs: States): string {
  const memory: Memory = {
    format: FORMAT,
    version: version(),
    reads: Object.fromEntries(reads),
    outputs: Object.fromEntries(outputs),
    steps: outcomes.map(({ step, about, counts, files }) => ({ step, about, counts, files })),
    folder,
    golden,
  };
  const text = JSON.stringify(memory);
  return `${digestOf(text)}\n${text}`;
}

/** null for what is not there, damaged, or of another format. */
function read(path: string): Memory | null {
  try {
    const text = readRegular(path).toString('utf8');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    // the digest says that lotrc wrote it, whole
    if (digestOf(body) !== text.slice(0, end)) return null;
    const memory = JSON.parse(body) as Memory;
    return memory.format === FORMAT ? memory : null;
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}
