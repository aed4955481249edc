import { createRequire } from 'node:module';
import { noWebgpu } from '../../src/backends/codes/doctor.js';
import type { Answer, Examined, FoundAdapter, Job } from '../../src/backends/doctor/examine.js';
import { compiledProgram, WorkerEnded, WorkerProcess } from '../../src/backends/ort/worker-process.js';
import { fail, LotrcError } from '../../src/ir/diagnostics.js';
import type { DeviceCall } from './device.js';

/** A device that says nothing for so long hangs. */
const SECONDS = 180;

/**
 * Runs jobs on this machine's device, in a process of its own, because drivers may end it. A job in which the process ends, or hangs, is
 * wrong; the others are run by a new one. Throws LOTR6041 without the package `webgpu`, or where it finds no device.
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
  const worker = new WorkerProcess(compiledProgram(import.meta.url, 'device.js'), { again: true });
  const ask = (call: DeviceCall) =>
    worker.ask(call, {
      ended: (how) => noWebgpu({ why: `the process ended ${how}` }),
      limit: { seconds: SECONDS, diagnostic: noWebgpu({ why: `no answer in ${SECONDS} seconds` }) },
    });
  const answerOf = async (job: Job): Promise<Answer | null> => {
    try {
      return (await ask({ call: 'run', job })) as Answer | null;
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      const said =
        error instanceof WorkerEnded ? `the process ended ${error.how}` : error.diagnostics[0]!.message;
      return { name: job.name, error: null, said };
    }
  };
  try {
    const adapter = (await ask({ call: 'open' })) as FoundAdapter;
    const answers: Answer[] = [];
    for (const job of jobs) {
      const answer = await answerOf(job);
      if (!answer) continue;
      answers.push(answer);
      answered(answer);
    }
    return { adapter, answers };
  } finally {
    worker.close();
  }
}
