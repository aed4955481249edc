// #if EMIT_SOURCE
import { checkAdapter } from './checks.js';
import { toHalves } from './halves.js';
import { isHalf, sizeOf } from './needs.js';
import {
  ADAPTERS,
  type AdapterOptions,
  type Adapters,
  BUFFERS,
  type BufferLayout,
  type BufferName,
  GROUPS,
  MAX_RANK,
  NO_ADAPTER,
  ROW_FACTORS,
  type RowPlace,
  type TensorData,
} from './plan.js';

// #endif
// #if EMIT_ROWS
/** What an adapter has in the layers of a group. */
interface OwnFactors {
  /** 0: none yet */
  rank: number;
  scale: number;
  /** names of the factors that it was given in this rank */
  readonly given: Set<string>;
}

/**
 * The calls of adapters of which every row of x has its own: `buffers` hold a part for each, `tokens` rows. `checkAlive` throws where
 * nothing can be written any more.
 */
function rowAdapters(
  device: GPUDevice,
  buffers: Readonly<Record<BufferName, GPUBuffer>>,
  tokens: number,
  checkAlive: () => void,
): Pick<Adapters, 'setAdapter' | 'setRows'> {
  const held = GROUPS.map(({ scale }) =>
    Array.from({ length: ADAPTERS }, (): OwnFactors => ({ rank: 0, scale, given: new Set() })),
  );
  const placesOf: Readonly<Record<string, readonly RowPlace[]>> = ROW_FACTORS;
  const all = Object.entries(placesOf);
  /** what an adapter lacks in a group, in words; null: nothing */
  const lacking = (group: number, adapter: number): string | null => {
    const own = held[group]?.[adapter];
    const missing = all.find(
      ([name, places]) => places.some((place) => place.group === group) && !own?.given.has(name),
    );
    return missing ? missing[0] : null;
  };
  const writeRows = (of: Uint32Array<ArrayBuffer>) => device.queue.writeBuffer(buffers.rowAdapter, 0, of);
  // no row has an adapter at first
  writeRows(new Uint32Array(tokens).fill(NO_ADAPTER));

  return {
    setAdapter(tensors: TensorData<string>, adapter = 0, { rank, scale }: AdapterOptions = {}) {
      checkAlive();
      checkAdapter(adapter);
      if (rank !== undefined) checkRank(rank);
      if (scale !== undefined && !Number.isFinite(scale))
        throw new RangeError('scale is not a finite number');
      const given = Object.entries(tensors).flatMap(([name, data]) => {
        const places = placesOf[name];
        if (!places) throw new RangeError(`there is no factor ${name} here`);
        return data ? places.map((place) => ({ name, data, place })) : [];
      });
      // all are checked before the first is written
      const changes = GROUPS.flatMap((group, index) => {
        const factors = given.filter(({ place }) => place.group === index);
        if (factors.length === 0 && given.length > 0) return [];
        const own = held[index]?.[adapter] ?? { rank: 0, scale: group.scale, given: new Set<string>() };
        const [first] = factors;
        const wanted = rank ?? (first ? rankOf(first.name, first.data, first.place) : own.rank);
        for (const { name, data, place } of factors) checkFactor(name, data, place, wanted);
        return [{ group, index, factors, own, wanted }];
      });
      for (const { group, index, factors, own, wanted } of changes) {
        // factors of another rank are of no use
        if (wanted !== own.rank) own.given.clear();
        own.rank = wanted;
        own.scale = scale ?? own.scale;
        for (const { name, data, place } of factors) {
          const lines = linesOf(data, place, wanted);
          const elements = adapter * (sizeOf(place.buffer, tokens) / ADAPTERS) + place.first;
          // #if EMIT_HALF
          if (isHalf(place.buffer))
            device.queue.writeBuffer(buffers[place.buffer], 2 * elements, toHalves(lines));
          else device.queue.writeBuffer(buffers[place.buffer], 4 * elements, lines);
          // #else
          //-           device.queue.writeBuffer(buffers[place.buffer], 4 * elements, lines);
          // #endif
          own.given.add(name);
        }
        const complete = lacking(index, adapter) === null ? own.rank : 0;
        device.queue.writeBuffer(buffers[group.ranks], 4 * adapter, Uint32Array.of(complete));
        device.queue.writeBuffer(buffers[group.scales], 4 * adapter, Float32Array.of(own.scale));
      }
    },

    setRows(adapters) {
      checkAlive();
      if (adapters.length > tokens) throw new RangeError(`${adapters.length} rows are more than ${tokens}`);
      for (const adapter of new Set(adapters)) {
        if (adapter === null) continue;
        checkAdapter(adapter);
        for (const group of GROUPS.keys()) {
          const name = lacking(group, adapter);
          if (name !== null) throw new Error(`adapter ${adapter} has no ${name}: setAdapter comes first`);
        }
      }
      const rows = new Uint32Array(tokens).fill(NO_ADAPTER);
      rows.set(adapters.map((adapter) => adapter ?? NO_ADAPTER));
      writeRows(rows);
    },
  };
}

/** Throws RangeError for a rank for which there is no room. */
function checkRank(rank: number): void {
  if (!Number.isInteger(rank) || rank < 1 || rank > MAX_RANK) {
    throw new RangeError(`rank is ${rank}, not a whole number from 1 to ${MAX_RANK}`);
  }
}

/** The rank of a factor, from its size. Throws RangeError where it has none. */
function rankOf(name: string, { length: count }: Float32Array, { length }: RowPlace): number {
  const rank = length === null ? Math.sqrt(count) : count / length;
  if (Number.isInteger(rank) && rank >= 1 && rank <= MAX_RANK) return rank;
  const shape = length === null ? 'rank x rank' : `rank x ${length}`;
  throw new RangeError(
    `${name} is ${shape} or turned, with a rank from 1 to ${MAX_RANK}, not ${count} numbers`,
  );
}

/** Throws RangeError for a factor that is not of this rank. */
function checkFactor(name: string, data: Float32Array, { length, turned }: RowPlace, rank: number): void {
  const width = length ?? rank;
  if (data.length === rank * width) return;
  const shape = turned ? `${width} x ${rank}` : `${rank} x ${width}`;
  throw new RangeError(`${name} of rank ${rank} is ${shape}, not ${data.length} numbers`);
}

/** A factor as its buffer has it: a line for each of its rank, with room for the largest where lines are of the rank too. */
function linesOf(
  data: Float32Array,
  { buffer, length, turned }: RowPlace,
  rank: number,
): Float32Array<ArrayBuffer> {
  const { shape }: BufferLayout = BUFFERS[buffer];
  const [width, room] = [length ?? rank, Number(shape[1])];
  const lines = new Float32Array(rank * room);
  for (let j = 0; j < rank; j++) {
    for (let i = 0; i < width; i++) lines[j * room + i] = data[turned ? i * rank + j : j * width + i] ?? 0;
  }
  return lines;
}

// #endif
// #if EMIT_SOURCE
export { rowAdapters };
// #endif
