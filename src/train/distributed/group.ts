/**
 * The processes that train together: each is a rank. All ranks call the same functions in the same order; a call ends when
 * every rank has called it. One process is a group of one, whose calls end at once.
 */
export interface ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /**
   * Puts the sum over all ranks in place of `values`, which have one length everywhere. Elements are added in float64 in the
   * order of the ranks, so that every rank has the same bits, and has them again in another run.
   */
  sum(values: Float64Array): Promise<void>;
  /** The arrays of all ranks, which have one length, in the order of the ranks. */
  gather(values: Float64Array): Promise<readonly Float64Array[]>;
  /** What each rank has, in the order of the ranks. Plain data: numbers, strings, lists, maps, typed arrays. */
  all<T>(own: T): Promise<readonly T[]>;
  /**
   * What rank 0 makes, for all ranks: plain data too. What `make` throws on
   * rank 0 as LotrcError is thrown on every rank.
   */
  ofFirst<T>(make: () => T | Promise<T>): Promise<T>;
}

/** A process that trains by itself. */
export const ALONE: ProcessGroup = {
  rank: 0,
  size: 1,
  sum: async () => undefined,
  gather: async (values) => [values],
  all: async (own) => [own],
  ofFirst: async (make) => make(),
};
