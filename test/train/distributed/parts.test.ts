import { describe, expect, test } from 'vitest';
import { sessionSettings } from '../../../src/backends/ort/session-settings.js';
import { coreList, fairThreads, type Seat } from '../../../src/train/distributed/cores.js';
import { deviceOfRank, visibleGpus } from '../../../src/train/distributed/devices.js';
import { abiOf } from '../../../src/train/distributed/mpi/abi.js';
import { launchOf } from '../../../src/train/distributed/mpi/launcher.js';
import { requireDealt } from '../../../src/train/distributed/same.js';
import { partsOfRank, partsPerBatch } from '../../../src/train/distributed/share.js';
import { bytesOfStep } from '../../../src/train/distributed/wire.js';
import type { Signature } from '../../../src/train/signature.js';
import { groupsOf } from '../../support/process-groups.js';

/** Batches of these lengths, whose rows are numbered through. */
function batches(...lengths: readonly number[]): readonly Int32Array[] {
  let row = 0;
  return lengths.map((length) => Int32Array.from({ length }, () => row++));
}

describe('the examples of a step', () => {
  test.each([
    [1, [7]],
    [2, [7]],
    [3, [7, 7]],
    [4, [7, 7, 7]],
    [4, [5, 3]],
    [6, [11, 11, 11, 2]],
    [5, [3]],
  ])('go to %d ranks, each once and in one order: batches of %j', (size, lengths) => {
    const most = Math.max(lengths.length, 2);
    const parts = partsPerBatch(most, { size });
    const shares = Array.from({ length: size }, (_, rank) =>
      partsOfRank(batches(...lengths), most, parts, { rank, size }),
    );
    const rows = shares.flat().flatMap((part) => [...part.rows]);
    expect(rows).toEqual(batches(...lengths).flatMap((batch) => [...batch]));
    const numbers = shares.flat().map(({ index }) => index);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(number).toBeLessThan(most * parts);
  });

  test('a full step is shared evenly, to one row a part', () => {
    for (const [most, size] of [
      [1, 4],
      [2, 4],
      [3, 2],
      [4, 3],
      [8, 4],
    ] as const) {
      const parts = partsPerBatch(most, { size });
      expect((most * parts) % size).toBe(0);
      const full = batches(...Array.from({ length: most }, () => 12));
      const counts = Array.from({ length: size }, (_, rank) =>
        partsOfRank(full, most, parts, { rank, size }).reduce((sum, { rows }) => sum + rows.length, 0),
      );
      expect(Math.max(...counts) - Math.min(...counts), `${most} ${size}`).toBe(0);
    }
  });

  test('batches whose loss is that of all rows stay whole: LOTR8268 where they cannot be dealt out evenly', () => {
    const signature = (kind: string) => ({ loss: { kind } }) as unknown as Signature;
    const cut = { inputs: new Map(), batchSize: 8, rows: null, dropShort: false, bucket: false };
    const [group] = groupsOf(4) as [ReturnType<typeof groupsOf>[number]];
    requireDealt(group, 1, cut, signature('cross-entropy'));
    requireDealt(group, 8, cut, signature('contrastive'));
    requireDealt(group, 4, { ...cut, rows: 3 }, signature('mse'));
    expect(() => requireDealt(group, 2, cut, signature('contrastive'))).toThrow(
      /LOTR8268: .*--accumulate 4/s,
    );
    expect(() => requireDealt(group, 6, cut, signature('output'))).toThrow(/LOTR8268: .*--accumulate 8/s);
    expect(() => requireDealt(group, 1, { ...cut, rows: 3 }, signature('mse'))).toThrow(
      /LOTR8268: .*batches of exactly 3/,
    );
  });
});

describe('threads', () => {
  const seat = (cores: readonly number[], host = 'a') => ({ host, cores });
  test.each([
    ['one rank has all cores', [seat([0, 1, 2])], [3]],
    ['ranks that share all cores', [seat([0, 1, 2, 3]), seat([0, 1, 2, 3])], [2, 2]],
    ['more ranks than cores', [seat([0, 1]), seat([0, 1]), seat([0, 1])], [1, 1, 1]],
    ['ranks that are pinned', [seat([0, 1]), seat([2, 3, 4])], [2, 3]],
    ['three share three', [seat([4, 5, 6]), seat([4, 5, 6]), seat([4, 5, 6])], [1, 1, 1]],
    ['another machine does not count', [seat([0, 1]), seat([0, 1], 'b')], [2, 2]],
  ])('%s', (_, seats, threads) => {
    expect(seats.map((_seat, rank) => fairThreads(seats, rank))).toEqual(threads);
  });

  test('sets of cores as Linux writes them', () => {
    expect(coreList('0-2,5,9-10')).toEqual([0, 1, 2, 5, 9, 10]);
    expect(coreList('7')).toEqual([7]);
  });
});

describe('GPUs', () => {
  const seat = (named: string | null, count: number | null, host = 'a') => ({
    host,
    cores: [0],
    gpus: { named, count },
  });
  const devices = (seats: readonly Seat[], ep: 'cpu' | 'cuda' | 'webgpu' = 'cuda') =>
    seats.map((_, rank) => deviceOfRank(seats, rank, ep));

  test.each([
    ['ranks of two machines', [seat(null, 2), seat(null, 2), seat(null, 2, 'b')], [0, 1, 0]],
    ['ranks with a list each', [seat('3', 1), seat('5', 1)], [0, 0]],
    ['ranks with one list', [seat('3,1', 2), seat('3,1', 2)], [0, 1]],
    ['GPUs that nobody counts', [seat(null, null), seat(null, null)], [0, 1]],
  ])('%s', (_, seats, wanted) => {
    expect(devices(seats)).toEqual(wanted);
    expect(devices(seats, 'cpu')).toEqual(seats.map(() => null));
  });

  test('LOTR8272 more ranks than GPUs, and several on a machine with a provider that takes no number', () => {
    expect(() => devices([seat(null, 1), seat(null, 1)])).toThrow(
      /LOTR8272: 2 ranks on a .*one device of --ep cuda/,
    );
    expect(() => devices([seat('', 0)])).toThrow(/LOTR8272: .*0 devices/);
    expect(() => devices([seat(null, null), seat(null, null)], 'webgpu')).toThrow(/LOTR8272: .*--ep webgpu/);
    expect(devices([seat(null, null), seat(null, null, 'b')], 'webgpu')).toEqual([null, null]);
  });

  test('are those that CUDA_VISIBLE_DEVICES names, or those of the machine', () => {
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '2,0,-1,3' })).toEqual({ named: '2,0,-1,3', count: 2 });
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '' })).toEqual({ named: '', count: 0 });
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: 'GPU-8932f937' }).count).toBe(1);
    // a folder with an entry for each
    expect(visibleGpus({}, import.meta.dirname).count).toBeGreaterThan(2);
    expect(visibleGpus({}, '/nowhere')).toEqual({ named: null, count: null });
  });

  test('are given to the CUDA provider by number', () => {
    expect(sessionSettings({ ep: 'cuda', device: 3 }).executionProviders).toEqual([
      { name: 'cuda', deviceId: 3 },
    ]);
    expect(sessionSettings({ ep: 'cuda' }).executionProviders).toEqual(['cuda']);
  });
});

test('bytes of a step are those of the calls that it makes', () => {
  // each rank sends the others what they add up, and then its own sum: shares of 8 bytes a number
  expect(bytesOfStep(8574, 4)).toBe(2 * 8 * 2144 * 3);
  expect(bytesOfStep(100, 3)).toBe(8 * 102 * 2);
});

describe('MPI', () => {
  test.each([
    [
      { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '1' },
      { size: 4, open: true },
    ],
    [
      { PMI_SIZE: '3', PMI_RANK: '0' },
      { size: 3, open: false },
    ],
    [{ PMIX_RANK: '2' }, { size: null, open: false }],
    [{ SLURM_JOB_ID: '7', HOME: '/root' }, null],
  ])('who started the process: %j', (environment, launch) => {
    expect(launchOf(environment)).toEqual(launch);
  });

  test('binary interfaces are told apart by variables, names and versions', () => {
    const none = { address: () => null };
    const open = abiOf({
      file: 'libmpi.so.40',
      version: 'Open MPI v5.0.3',
      address: (name) => BigInt(name.length),
    });
    expect(open).toMatchObject({ handle: 'intptr_t', world: 19n, byte: 13n });
    for (const version of [
      'MPICH Version: 4.0.2',
      'Intel(R) MPI Library 2021.11',
      'MVAPICH2 Version : 2.3',
      'CRAY MPICH version 8',
    ])
      expect(abiOf({ file: 'libmpi.so.12', version, ...none })).toMatchObject({
        handle: 'int',
        world: 0x44000000,
      });
    expect(abiOf({ file: 'libmpi_abi.so.0', version: 'MPICH Version: 5.0', ...none })).toMatchObject({
      world: 0x101,
    });
    expect(abiOf({ file: 'libmpi.so', version: 'Some MPI 1.0', ...none })).toBeNull();
  });
});
