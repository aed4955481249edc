import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { noWebgpu } from '../../src/backends/codes/doctor.js';
import type { Answer, DoctorEvent, Examined, FoundAdapter, Job } from '../../src/backends/doctor/examine.js';
import { modelEnvironment } from '../../src/backends/ort/environment.js';
import { compiledProgram } from '../../src/backends/ort/worker-process.js';
import { fail } from '../../src/ir/diagnostics.js';

/** A device that says nothing for so long, milliseconds, hangs. */
const PATIENCE = 180_000;

/**
 * Runs jobs on this machine's device. A job in which the process ends, or hangs, is wrong; the others are run by a new one. Throws
 * LOTR6041 without the package `webgpu`, or where it finds no device.
 */
export async function askDevice(
  jobs: readonly Job[],
  answered: (answer: Answer) => void = () => undefined,
): Promise<Examined> {
  try {
    createRequire(import.meta.url).resolve('webgpu');
  } catch {
    fail(noWebgpu({ why: 'the package webgpu is not installed' }));
  }
  const answers: Answer[] = [];
  let adapter: FoundAdapter | null = null;
  let left = jobs;
  while (left.length > 0) {
    let begun: string | null = null;
    const said = await run(left, (told) => {
      if ('adapter' in told) adapter = told.adapter;
      else if ('begins' in told) begun = told.begins;
      else {
        begun = null;
        answers.push(told.answer);
        answered(told.answer);
      }
    });
    if (begun === null) {
      if (said !== null) fail(noWebgpu({ why: said }));
      break;
    }
    const answer = { name: begun, error: null, said: said ?? 'the process ended' };
    answers.push(answer);
    answered(answer);
    left = left.slice(left.findIndex(({ name }) => name === begun) + 1);
  }
  if (!adapter) return fail(noWebgpu({ why: 'it finds no device' }));
  return { adapter, answers };
}

/** Runs jobs in a process; gives what it said if it did not end well. */
function run(jobs: readonly Job[], tell: (told: DoctorEvent) => void): Promise<string | null> {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-doctor-'));
  const file = join(folder, 'jobs.json');
  writeFileSync(file, JSON.stringify(jobs));
  const child = spawn(process.execPath, [compiledProgram(import.meta.url, 'device.js'), file], {
    env: modelEnvironment(process.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let hangs = false;
  const wait = () =>
    setTimeout(() => {
      hangs = true;
      child.kill('SIGKILL');
    }, PATIENCE);
  let timer = wait();
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  createInterface(child.stdout).on('line', (line) => {
    clearTimeout(timer);
    timer = wait();
    tell(JSON.parse(line) as DoctorEvent);
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
      if (code === 0) resolve(null);
      else if (hangs) resolve(`no answer in ${PATIENCE / 1000} seconds`);
      else resolve(lastError(said) ?? `the process ended with ${code ?? signal}`);
    });
  });
}

const lastError = (said: string): string | null => /^(?:\w*Error): (.*)$/mu.exec(said)?.[1] ?? null;
