import type { ProcessGroup } from '../../src/train/distributed/group.js';

/** A call that some ranks have made and others not yet. */
interface Meeting {
  readonly given: unknown[];
  /** of rank 0, for `ofFirst` */
  made: Promise<unknown> | null;
  readonly all: Promise<void>;
  come(): void;
}

/** Groups of one job whose ranks are in this process: the n-th call of every rank belongs together. */
export function groupsOf(size: number): readonly ProcessGroup[] {
  const meetings = new Map<number, Meeting>();
  const meet = (call: number): Meeting => {
    const found = meetings.get(call);
    if (found) return found;
    let left = size;
    let open: () => void = () => undefined;
    const all = new Promise<void>((done) => {
      open = done;
    });
    const meeting: Meeting = { given: [], made: null, all, come: () => --left === 0 && open() };
    meetings.set(call, meeting);
    return meeting;
  };
  return Array.from({ length: size }, (_, rank): ProcessGroup => {
    let calls = 0;
    const all = async <T>(own: T) => {
      const meeting = meet(calls++);
      meeting.given[rank] = structuredClone(own);
      meeting.come();
      await meeting.all;
      return meeting.given as readonly T[];
    };
    return {
      rank,
      size,
      all,
      gather: all,
      sum: async (values) => {
        const rows = await all(values);
        for (const i of values.keys()) values[i] = rows.reduce((sum, row) => sum + row[i]!, 0);
      },
      ofFirst: async <T>(make: () => T | Promise<T>) => {
        const meeting = meet(calls++);
        if (rank === 0) {
          meeting.made = (async () => make())();
          await meeting.made.catch(() => undefined);
        }
        meeting.come();
        await meeting.all;
        return (await meeting.made) as T;
      },
    };
  });
}
