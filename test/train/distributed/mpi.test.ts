import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../../src/ir/files/safetensors.js';
import { toF32 } from '../../../src/ir/values.js';
import { readPosition } from '../../../src/train/checkpoint.js';
import { readLogs } from '../../../src/train/logs/find.js';
import { differing, goOn, killAfter, killOne, stopOne } from '../../kill/rank-kills.js';
import { done, records, type TextClassifier, textClassifier } from '../../support/classifier.js';
import { lotrc } from '../../support/cli.js';
import { hasCompiler } from '../../support/compilers.js';
import { EVERYTHING } from '../../support/everything.js';
import { launcherOf, runMain, standardLibrary, startRanks } from '../../support/mpi.js';
import { until } from '../../support/processes.js';
import { writeJsonl } from '../../support/reading.js';
import { twoHosts } from '../../support/two-hosts.js';

// Ranks that MPI connects. What they compute is in ranks.test.ts too; here it goes through the libraries.

const CHARLM = join(import.meta.dirname, '../../../models/charlm');
const root = mkdtempSync(join(tmpdir(), 'lotrc-mpi-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const open = launcherOf('open');
const mpich = launcherOf('mpich');
let serial = 0;
const fresh = () => join(root, `run${serial++}`);
const distributed = ['--distributed', 'mpi'];

/** Ends with code 0 on `ranks` processes. */
async function ran(
  ranks: number,
  command: readonly string[],
  launcher = open,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const job = startRanks(launcher!, ranks, [...command, ...distributed], environment);
  const code = await job.ended;
  expect(code, job.text()).toBe(0);
  return job.text();
}

const bytes = (folder: string, name = 'checkpoint.safetensors') => readFileSync(join(folder, name));

function stateOf(folder: string): ReadonlyMap<string, Float32Array> {
  const { tensors } = readSafetensors(join(folder, 'checkpoint.safetensors'));
  return new Map([...tensors].map(([name, tensor]) => [name, toF32(tensor)]));
}

/** Losses and norms of all steps, and the losses of evaluations, of the run in a folder. */
async function curves(folder: string): Promise<readonly number[]> {
  const { logs } = await readLogs([folder]);
  return logs[0]!.rows.flatMap(({ values }) =>
    [...values].filter(([name]) => /loss|norm/.test(name)).map(([, value]) => value),
  );
}

describe.skipIf(!open)('a language model', () => {
  let words: readonly string[];
  let two = '';
  beforeAll(async () => {
    const [model, graphs] = [join(root, 'charlm.lotr.onnx'), join(root, 'charlm')];
    await done('rewrite', join(CHARLM, 'charlm.onnx'), '--rank', '2', '--target', 'all-linear', '-o', model);
    await done('emit', 'onnx-train', model, '-o', graphs);
    const text = readFileSync(join(CHARLM, 'moby-dick.val.txt'), 'utf8').replaceAll('\n', ' ');
    // completions of unequal lengths: rows and ranks have unequal numbers of labels
    const rows = Array.from({ length: 20 }, (_, i) => {
      const at = 40 * i;
      return {
        prompt: text.slice(at, at + 3 + (i % 5)),
        completion: text.slice(at + 8, at + 9 + ((7 * i) % 13)),
      };
    });
    words = ['train', graphs, '--data', writeJsonl(join(root, 'prompts.jsonl'), rows), '--eval-split', '0.3'];
    words = [...words, '--tokenizer', join(CHARLM, 'vocab.json'), '--max-length', '24', '--batch-size', '6'];
    words = [...words, '--max-steps', '3', '--lr', '0.01', '--threads', '1'];
    two = fresh();
    expect(await ran(2, [...words, '-o', two])).toMatch(/; 2 processes, each sends [\d,]+ bytes in a step\n/);
  });

  test('has the losses of one process on 2 and 4 ranks, to 1e-6', async () => {
    const [one, four] = [fresh(), fresh()];
    expect((await lotrc(...words, '-o', one)).code).toBe(0);
    await ran(4, [...words, '-o', four]);
    const wanted = await curves(one);
    expect(wanted.length).toBe(8);
    for (const folder of [two, four])
      for (const [i, value] of (await curves(folder)).entries())
        expect(Math.abs(value - wanted[i]!) / wanted[i]!, `${folder} ${i}`).toBeLessThan(1e-6);
    const state = stateOf(one);
    for (const folder of [two, four])
      for (const [name, values] of stateOf(folder)) {
        // AdamW divides gradients by their size: rounding counts for more where they are small
        const scale = Math.max(...values.map(Math.abs));
        for (const [i, value] of values.entries())
          expect(Math.abs(value - state.get(name)![i]!), name).toBeLessThan(1e-5 * scale + 1e-12);
      }
  });

  test('has the same bits on two hosts, which send what is told', async (context) => {
    const hosts = twoHosts(open!, root);
    if (!hosts) return context.skip();
    try {
      const output = fresh();
      const said = await ran(2, [...words, '-o', output], hosts.launcher);
      expect(bytes(output).equals(bytes(two))).toBe(true);
      const told = Number(/each sends ([\d,]+) bytes/.exec(said)![1]!.replaceAll(',', ''));
      for (const sent of hosts.sent()) {
        // three steps, with headers, and what ranks tell each other at the start and in evaluations
        expect(sent).toBeGreaterThan(3 * told);
        expect(sent).toBeLessThan(3 * 1.1 * told + 100_000);
      }
    } finally {
      hosts.close();
    }
  });

  test.skipIf(!mpich)('has the same bits through MPICH as through Open MPI', async () => {
    const output = fresh();
    await ran(2, [...words, '-o', output], mpich);
    expect(bytes(output).equals(bytes(two))).toBe(true);
  });

  test.skipIf(!hasCompiler('g++'))(
    'and through a library with the handles of the MPI 5 standard, whose errors are said (LOTR8265)',
    async () => {
      const library = { LOTRC_MPI_LIBRARY: standardLibrary(root) };
      const output = fresh();
      await ran(2, [...words, '-o', output], open, library);
      expect(bytes(output).equals(bytes(two))).toBe(true);
      const more = { ...library, MPI_SHIM_FAILS: 'MPI_Ialltoall' };
      const job = startRanks(open!, 2, [...words, '-o', fresh(), ...distributed], more);
      expect(await job.ended).not.toBe(0);
      expect(job.text()).toMatch(/LOTR8265: MPI_Ialltoall failed: /);
    },
  );
});

describe.skipIf(!open || !EVERYTHING)('an optimizer with a projection', () => {
  let net: TextClassifier;
  beforeAll(async () => {
    net = await textClassifier(join(root, 'projected'));
  });

  test.each([
    ['lotr-adamw', 'lotr'],
    ['lotr-sgd', 'lotr'],
    ['lowrank-adamw', 'lora'],
    ['lowrank-sgd', 'lora'],
  ])('%s has the losses of one process on 3 ranks, to 1e-6', async (optimizer, method) => {
    const [model, graphs] = [join(root, `${optimizer}.onnx`), join(root, optimizer)];
    const layers = ['--target', '.*', '--method', method, '--rank', '3', '--init', 'fan-in', '--scale', '3'];
    await done('rewrite', net.model, ...layers, '-o', model);
    await done('emit', 'onnx-train', model, '-o', graphs, '--optimizer', optimizer);
    const data = writeJsonl(join(root, `${optimizer}.jsonl`), records(31, ['fish', 'bird', 'newt']));
    const words = ['train', graphs, '--data', data, '--tokenizer', net.tokenizer, '--eval-split', '0.2'];
    words.push('--batch-size', '7', '--max-steps', '6', '--epochs', '9', '--lr', '0.02', '--threads', '1');
    const [one, three] = [fresh(), fresh()];
    expect((await lotrc(...words, '-o', one)).code).toBe(0);
    await ran(3, [...words, '-o', three]);
    const [wanted, found] = [await curves(one), await curves(three)];
    expect(new Set(wanted).size).toBeGreaterThan(12);
    expect(found.length).toBe(wanted.length);
    for (const [i, value] of wanted.entries())
      expect(Math.abs(found[i]! - value) / value, `${i}`).toBeLessThan(1e-6);
  });
});

describe.skipIf(!open)('a rank', () => {
  const steps = 90;
  let net: TextClassifier;
  let words: readonly string[];
  beforeAll(async () => {
    net = await textClassifier(join(root, 'net'));
    const data = writeJsonl(join(root, 'data.jsonl'), records(31, ['fish', 'bird', 'newt']));
    words = ['train', net.train, '--data', data, '--tokenizer', net.tokenizer, '--eval-split', '0.2'];
    words = [
      ...words,
      '--batch-size',
      '5',
      '--max-steps',
      `${steps}`,
      '--epochs',
      '999',
      '--checkpoint-every',
      '5',
    ];
    words = [...words, '--eval-every', '45', '--threads', '1'];
  });

  const jobOf = (ranks: number, ...more: readonly string[]) => {
    const resume = ['train', net.train, '--resume'];
    return { launcher: open!, ranks, words: [...words, ...more], resume, steps };
  };

  /** What is done to a run while it lasts: tried again where the test was too late. */
  async function inTime<T>(attempt: (output: string) => Promise<T | null>): Promise<T> {
    for (;;) {
      const done = await attempt(fresh());
      if (done !== null) return done;
    }
  }

  test('that is killed ends the job with a message (LOTR8271), and the run that is resumed has the bits of a whole one', async () => {
    const whole = fresh();
    await ran(2, [...words, '-o', whole]);
    const { parts, code, text } = await inTime(async (parts) => {
      const killed = await killAfter(jobOf(2), parts, 1, 5);
      return killed.rank === null ? null : { parts, ...killed };
    });
    expect(code).not.toBe(0);
    expect(text).toMatch(/LOTR8271: told to end after step \d+: .*the last checkpoint is that of step \d+\n/);
    expect(readPosition(parts)!.step).toBeLessThan(90);
    await ran(2, ['train', net.train, '--resume', '-o', parts]);
    for (const name of ['checkpoint.safetensors', 'adapter.safetensors'])
      expect(bytes(parts, name).equals(bytes(whole, name)), name).toBe(true);
  });

  test.skipIf(!EVERYTHING)('that is killed at any step, as numbers 1 and 4 say, does so too', async () => {
    const [job, whole] = [jobOf(3), fresh()];
    expect((await goOn(job, whole)).code).toBe(0);
    for (const number of [1, 4]) {
      const parts = fresh();
      const { rank, code, text } = await killOne(job, parts, number);
      if (rank !== null) expect([code === 0, text.trim() === ''], text).toEqual([false, false]);
      if (code !== 0) expect((await goOn(job, parts)).code).toBe(0);
      expect(differing(whole, parts)).toEqual([]);
    }
  });

  test('that hangs ends the job after --rank-timeout (LOTR8266), and leaves a checkpoint', async () => {
    const { output, started, pid } = await inTime(async (output) => {
      const { started, pid } = await stopOne(jobOf(2, '--rank-timeout', '5'), output, 1, 5);
      if (pid !== null) return { output, started, pid };
      await started.ended;
      return null;
    });
    await until(() => (/LOTR8266/.test(started.text()) ? true : null));
    process.kill(pid, 'SIGKILL');
    expect(await started.ended).not.toBe(0);
    expect(started.text()).toMatch(/rank 0 of 2:\nerror LOTR8266: rank 0 of 2 waited 5 s for the others/);
    expect(readPosition(output)!.step).toBeGreaterThanOrEqual(5);
  });

  test('that is refused says so once: what all refuse, rank 0 says', async () => {
    const job = startRanks(open!, 3, [
      ...words,
      '-o',
      fresh(),
      '--data',
      join(root, 'absent.jsonl'),
      ...distributed,
    ]);
    expect(await job.ended).not.toBe(0);
    expect(job.text().match(/error LOTR/g)?.length).toBe(1);
    expect(job.text()).toMatch(/rank 0 of 3:\nerror LOTR/);
  });

  test('whose library is not that of the launcher does not train alone (LOTR8264)', () => {
    const environment = { PMI_SIZE: '3', OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
    const { code, text } = runMain([...words, '-o', fresh(), ...distributed], {
      ...environment,
      LOTRC_MPI_LIBRARY: 'libmpi.so.40',
    });
    expect(text).toMatch(/LOTR8264: 3 processes were started, and libmpi\.so\.40 knows of 1/);
    expect(code).not.toBe(0);
  });
});
