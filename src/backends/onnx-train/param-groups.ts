import { closest, fail } from '../../ir/diagnostics.js';
import { type HyperName, type Optimizer, optimizerDef } from '../../train/optimizers/index.js';
import { uselessOption } from '../codes/training.js';

/** What `--group REGEX:lr=16x,weight-decay=0` gives the parameters whose names fit. */
export interface ParamGroup {
  readonly text: string;
  readonly pattern: RegExp;
  readonly lrMultiplier?: number;
  readonly weightDecay?: number;
}

const refuse = (text: string, why: string, hint: string): never =>
  fail(uselessOption({ option: `--group ${JSON.stringify(text)}`, why, hint }));

const DECAY: HyperName = 'weightDecay';

/** Reads groups. Throws LOTR5008 for one that cannot be read, or that asks for what the optimizer does not have. */
export function parseGroups(texts: readonly string[], { kind }: Optimizer): readonly ParamGroup[] {
  return texts.map((text) => {
    const at = text.lastIndexOf(':');
    const form = 'write REGEX:lr=16x,weight-decay=0, or one of the two';
    if (at < 1) return refuse(text, 'it has no pattern and settings with a colon between them', form);
    let pattern: RegExp;
    try {
      pattern = new RegExp(text.slice(0, at));
    } catch (error) {
      return refuse(text, (error as Error).message, 'see the regular expressions of JavaScript');
    }
    const settings = new Map<string, number>();
    for (const item of text.slice(at + 1).split(',')) {
      const [, key, number, times] = /^\s*([a-z-]+)=([^x\s]+)(x?)\s*$/.exec(item) ?? [];
      const value = Number(number);
      if (key === 'schedule')
        return refuse(
          text,
          'all parameters follow the schedule of the run',
          'give --schedule to lotrc train',
        );
      if (key !== 'lr' && key !== 'weight-decay') return refuse(text, `"${item}" is not a setting`, form);
      if (settings.has(key)) return refuse(text, `it gives ${key} twice`, 'keep one of the two');
      if (key === 'lr' && times !== 'x')
        return refuse(
          text,
          'lr is a multiple of the learning rate of the run',
          `write lr=16x for 16 times that`,
        );
      const good = Number.isFinite(value) && (key === 'lr' ? value > 0 : value >= 0 && times === '');
      if (!good) return refuse(text, `"${item}" has a value that is out of range`, form);
      if (key === 'weight-decay' && !Object.hasOwn(optimizerDef(kind).hyper, DECAY))
        return refuse(text, `${kind} has no weight decay`, 'leave it out');
      settings.set(key, value);
    }
    const [lr, decay] = [settings.get('lr'), settings.get('weight-decay')];
    return {
      text,
      pattern,
      ...(lr === undefined ? {} : { lrMultiplier: lr }),
      ...(decay === undefined ? {} : { weightDecay: decay }),
    };
  });
}

/** The first group that fits a parameter by one of its names. */
export function groupFor(groups: readonly ParamGroup[], names: readonly string[]): ParamGroup | undefined {
  return groups.find(({ pattern }) => names.some((name) => pattern.test(name)));
}

/** Throws LOTR5008 for a group that no trained parameter is the first to fit. */
export function requireUsed(
  groups: readonly ParamGroup[],
  used: ReadonlySet<ParamGroup>,
  names: readonly string[],
): void {
  const idle = groups.find((group) => !used.has(group));
  if (!idle) return;
  const near = closest(idle.text, names);
  refuse(
    idle.text,
    'no trained parameter is left for it',
    `parameters go to the first group that fits; names are like ${(near.length > 0 ? near : names.slice(0, 3)).join(', ')}`,
  );
}
