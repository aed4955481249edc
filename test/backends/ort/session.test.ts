import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compiledProgram } from '../../../src/backends/ort/worker-process.js';

const MODEL = join(import.meta.dirname, '../../../models/charlm/charlm.onnx');
const SESSION = compiledProgram(
  new URL('../../../src/backends/ort/session.ts', import.meta.url).href,
  'session.js',
);

/** Prints the cores that each thread of a process with an open session may use. */
const PROGRAM = `
import { readdirSync, readFileSync } from 'node:fs';
const { OrtSession } = await import(${JSON.stringify(SESSION)});
await OrtSession.open(${JSON.stringify(MODEL)});
for (const thread of readdirSync('/proc/self/task'))
  console.log(/Cpus_allowed_list:\\s*(\\S+)/.exec(readFileSync('/proc/self/task/' + thread + '/status', 'utf8'))[1]);
process.exit();
`;

test.skipIf(process.platform !== 'linux' || cpus().length < 2)(
  'a session of a process that is pinned to a core has no thread on another',
  () => {
    const node = [process.execPath, '--input-type=module', '-e', PROGRAM];
    const { status, stdout, stderr } = spawnSync('taskset', ['-c', '0', ...node], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(new Set(stdout.trim().split('\n'))).toEqual(new Set(['0']));
  },
);
