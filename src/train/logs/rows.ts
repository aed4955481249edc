import type { ScalarEvent } from './event.js';
import type { Setting, Settings } from './hparams.js';

/** The record of one step, or of one evaluation, in a log. */
export interface LogRow {
  readonly step: number;
  /** seconds since 1970 */
  readonly wallTime: number;
  /** first part of the tags: train, eval, ...; empty when the tags have none that is known */
  readonly split: string;
  /** by the rest of the tag: loss, lr, accuracy, ... */
  readonly values: ReadonlyMap<string, number>;
}

/** A run: the constants of the run, and its rows. */
export interface Log {
  readonly settings: Settings;
  readonly rows: readonly LogRow[];
}

const SPLITS: ReadonlySet<string> = new Set([
  'train',
  'eval',
  'val',
  'valid',
  'validation',
  'dev',
  'test',
  'predict',
]);

/**
 * Events of a run gathered into rows: one per split and step, by step. When a tag occurs
 * twice for a step, the later one counts; where a writer began again, its earlier records of later steps do not count.
 */
export function logOf(events: Iterable<ScalarEvent>, wanted: (tag: string) => boolean = () => true): Log {
  type Row = LogRow & { values: Map<string, number>; wallTime: number };
  const rows = new Map<string, Row>();
  const settings = new Map<string, Setting>();
  for (const event of events) {
    if (event.restart) for (const [key, row] of rows) if (row.step >= event.step) rows.delete(key);
    for (const [name, value] of event.settings ?? []) settings.set(name, value);
    for (const [tag, value] of event.scalars) {
      if (!wanted(tag)) continue;
      const at = tag.indexOf('/');
      const known = at > 0 && SPLITS.has(tag.slice(0, at));
      const [split, name] = known ? [tag.slice(0, at), tag.slice(at + 1)] : ['', tag];
      const key = `${split}\n${event.step}`;
      let row = rows.get(key);
      if (!row) rows.set(key, (row = { step: event.step, wallTime: 0, split, values: new Map() }));
      row.values.set(name, value);
      row.wallTime = event.wallTime;
    }
  }
  return { settings, rows: [...rows.values()].sort((a, b) => a.step - b.step) };
}
