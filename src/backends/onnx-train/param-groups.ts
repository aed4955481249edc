import type { AdapterSpec } from '../../adapter/description.js';
import { isTrained } from '../../adapter/description.js';
import { LORA_FA } from '../../adapter/methods/lora-fa.js';
import { LORA_PLUS } from '../../adapter/methods/lora-plus.js';
import { closest, fail } from '../../ir/diagnostics.js';
import { RATE_SCHEDULES, type RateScheduleKind } from '../../options/words.js';
import { type HyperName, optimizerDef } from '../../train/optimizers/index.js';
import type { GroupMultiple, GroupRate, ParamRow } from '../../train/signature.js';
import { uselessOption } from '../codes/training.js';
import type { TrainOptions } from './options.js';

/** What `--group REGEX:lr=16x,weight-decay=0,schedule=cosine` gives the parameters whose names fit. */
interface NamedGroup {
  readonly kind: 'names';
  readonly text: string;
  readonly pattern: RegExp;
  readonly lrMultiplier?: number | undefined;
  readonly weightDecay?: number | undefined;
  /** which of the rates that groups have of their own */
  readonly rate?: number | undefined;
  readonly own?: GroupRate | undefined;
}

/** `--group lora-plus`: the factors of each LoRA learn as those of that method. */
interface PresetGroup {
  readonly kind: 'preset';
  readonly text: string;
  readonly spec: AdapterSpec;
}

type GroupOptions = Pick<TrainOptions, 'groups' | 'optimizer'>;

export type ParamGroup = NamedGroup | PresetGroup;

/** Methods that differ from another one only in how their factors learn. */
const PRESETS: readonly AdapterSpec[] = [LORA_PLUS, LORA_FA];

const refuse = (text: string, why: string, hint: string): never =>
  fail(uselessOption({ option: `--group ${JSON.stringify(text)}`, why, hint }));

const DECAY: HyperName = 'weightDecay';
const FORM = 'write REGEX:lr=16x,weight-decay=0,schedule=cosine, or some of these';

/** Reads groups. Throws LOTR5008 for one that cannot be read, or that asks for what the optimizer does not have. */
export function parseGroups({
  groups: texts = [],
  optimizer: { kind },
}: GroupOptions): readonly ParamGroup[] {
  let rates = 0;
  return texts.map((text): ParamGroup => {
    const spec = PRESETS.find(({ method }) => method === text);
    if (spec) return { kind: 'preset', text, spec };
    const at = text.lastIndexOf(':');
    if (at < 1)
      return refuse(
        text,
        'it has no pattern and settings with a colon between them',
        `${FORM}; or a method: ${PRESETS.map(({ method }) => method).join(', ')}`,
      );
    const pattern = text.slice(0, at);
    const { lr, times, schedule, weightDecay } = settingsIn(text, text.slice(at + 1));
    if (weightDecay !== undefined && !Object.hasOwn(optimizerDef(kind).hyper, DECAY))
      refuse(text, `${kind} has no weight decay`, 'leave it out');
    const own: GroupRate | undefined =
      schedule === undefined && (lr === undefined || times)
        ? undefined
        : {
            pattern,
            ...(lr === undefined || times ? {} : { lr }),
            ...(schedule === undefined ? {} : { schedule }),
          };
    return {
      kind: 'names',
      text,
      pattern: regexOf(text, pattern),
      // a rate of its own is the rate: what else multiplies does not count
      lrMultiplier: lr === undefined ? undefined : times ? lr : 1,
      weightDecay,
      ...(own ? { own, rate: rates++ } : {}),
    };
  });
}

/** The rates that groups have besides that of the run. */
export function ratesOf(options: GroupOptions): readonly GroupRate[] {
  return parseGroups(options).flatMap((group) => (group.kind === 'names' && group.own ? [group.own] : []));
}

/** The groups that learn at a multiple of a rate. */
export function multiplesOf(options: GroupOptions): readonly GroupMultiple[] {
  return parseGroups(options).flatMap((group): readonly GroupMultiple[] => {
    if (group.kind === 'preset') {
      const times = group.spec.factors.map(({ lrMultiplier }) => lrMultiplier).find((by) => by !== 1);
      return times === undefined ? [] : [{ pattern: group.text, times }];
    }
    const { text, lrMultiplier = 1, rate } = group;
    if (lrMultiplier === 1) return [];
    const pattern = text.slice(0, text.lastIndexOf(':'));
    return [{ pattern, times: lrMultiplier, ...(rate === undefined ? {} : { rate }) }];
  });
}

function regexOf(text: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    return refuse(text, (error as Error).message, 'see the regular expressions of JavaScript');
  }
}

/** What the part after the pattern says. */
interface GroupSettings {
  lr?: number;
  /** `lr` is times the rate of the run */
  times?: boolean;
  weightDecay?: number;
  schedule?: RateScheduleKind;
}

function settingsIn(text: string, list: string): GroupSettings {
  const settings: GroupSettings = {};
  const seen = new Set<string>();
  for (const item of list.split(',')) {
    const [, key, value = ''] = /^\s*([a-z-]+)=(\S+)\s*$/.exec(item) ?? [];
    if (key !== 'lr' && key !== 'weight-decay' && key !== 'schedule')
      return refuse(text, `"${item}" is not a setting`, FORM);
    if (seen.has(key)) return refuse(text, `it gives ${key} twice`, 'keep one of the two');
    seen.add(key);
    const outOfRange = () => refuse(text, `"${item}" has a value that is out of range`, FORM);
    if (key === 'schedule') {
      settings.schedule =
        RATE_SCHEDULES.find((name) => name === value) ??
        refuse(text, `there is no schedule "${value}"`, `there are ${RATE_SCHEDULES.join(', ')}`);
      continue;
    }
    const times = key === 'lr' && value.endsWith('x');
    const number = Number(times ? value.slice(0, -1) : value);
    if (!Number.isFinite(number) || number < 0) return outOfRange();
    if (key === 'weight-decay') settings.weightDecay = number;
    else if (number === 0) return outOfRange();
    else Object.assign(settings, { lr: number, times });
  }
  return settings;
}

/** What groups settle of a row. */
type LearningRow = Pick<ParamRow, 'lrMultiplier' | 'weightDecay' | 'rate'> &
  Partial<Pick<ParamRow, 'factor' | 'trainable'>>;

/** What a group may fit. */
interface GroupedParam<Row extends LearningRow> {
  readonly row: Row;
  /** all names of the tensor */
  readonly names: readonly string[];
  /** of the adapter that it is a factor of, or null */
  readonly spec: AdapterSpec | null;
}

/**
 * The row of a parameter with the settings of the first group that fits, which `used` is told of. A preset fits the factors that
 * learn in another way than the description of the adapter says.
 */
export function withGroup<Row extends LearningRow>(
  groups: readonly ParamGroup[],
  { row, names, spec }: GroupedParam<Row>,
  used: Set<ParamGroup>,
): Row {
  if (row.trainable === false) return row;
  for (const group of groups) {
    if (group.kind === 'names') {
      if (!names.some((name) => group.pattern.test(name))) continue;
      used.add(group);
      const { lrMultiplier = row.lrMultiplier, weightDecay, rate } = group;
      return {
        ...row,
        lrMultiplier,
        ...(weightDecay === undefined ? {} : { weightDecay }),
        ...(rate === undefined ? {} : { rate }),
      };
    }
    const like = spec?.delta === group.spec.delta ? factorLike(group.spec, row.factor ?? '') : undefined;
    if (!like || (isTrained(like) && like.lrMultiplier === 1)) continue;
    used.add(group);
    return { ...row, lrMultiplier: like.lrMultiplier, trainable: isTrained(like) };
  }
  return row;
}

const factorLike = ({ factors }: AdapterSpec, name: string) => factors.find((factor) => factor.name === name);

/** Throws LOTR5008 for a group that no trained parameter is the first to fit. */
export function requireUsed(
  groups: readonly ParamGroup[],
  used: ReadonlySet<ParamGroup>,
  names: readonly string[],
): void {
  const idle = groups.find((group) => !used.has(group));
  if (!idle) return;
  if (idle.kind === 'preset') {
    const { delta, factors } = idle.spec;
    refuse(
      idle.text,
      `no adapter has trained factors ${factors.map(({ name }) => name).join(' and ')} of the form ${delta}`,
      'it belongs to adapters of the form of LoRA',
    );
  }
  const near = closest(idle.text, names);
  refuse(
    idle.text,
    'no trained parameter is left for it',
    `parameters go to the first group that fits; names are like ${(near.length > 0 ? near : names.slice(0, 3)).join(', ')}`,
  );
}
