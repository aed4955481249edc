/** What is wrong with a value out of JSON, and where in it. */
export interface FieldFault {
  readonly path: readonly (string | number)[];
  /** `is not a finite number`: completes a sentence about the value at the path */
  readonly why: string;
}

/** Returns what is wrong with a value, or null. */
export type Check = (value: unknown) => FieldFault | null;

type Fields = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fits(what: string, test: (value: unknown) => boolean): Check {
  return (value) => (test(value) ? null : { path: [], why: `is not ${what}` });
}

export function oneOf(...words: readonly unknown[]): Check {
  return fits(`one of ${words.join(', ')}`, (value) => words.includes(value));
}

export function object(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields);
  return (value) => {
    if (!isObject(value)) return { path: [], why: 'is not an object' };
    for (const [key, check] of checks) {
      const fault = check(Object.hasOwn(value, key) ? value[key] : undefined);
      if (fault) return { ...fault, path: [key, ...fault.path] };
    }
    return null;
  };
}

export function list(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return { path: [], why: 'is not a list' };
    for (const [at, item] of value.entries()) {
      const fault = check(item);
      if (fault) return { ...fault, path: [at, ...fault.path] };
    }
    return null;
  };
}

export const text = fits('text', (value) => typeof value === 'string');
export const number = fits('a finite number', Number.isFinite);
export const whole = fits('a whole number', Number.isSafeInteger);
export const extent = fits(
  'a whole number from 1',
  (value) => Number.isSafeInteger(value) && (value as number) > 0,
);
export const flag = fits('true or false', (value) => typeof value === 'boolean');
export const texts = fits(
  'a list of names',
  (value) => isObject(value) && Object.values(value).every((name) => typeof name === 'string'),
);

export const nullable =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value);

export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? null : check(value);

/** `has a share that is not one of site, group`, for a sentence that begins with what holds the value. */
export function faultText({ path, why }: FieldFault): string {
  const key = path.filter((step) => typeof step === 'string').at(-1);
  const entry = typeof path.at(-1) === 'number' ? `is a list with an entry that ${why}` : why;
  return key === undefined ? entry : `has a ${key} that ${entry}`;
}

/** `factors[1].share` */
export function pathText(path: FieldFault['path']): string {
  return path
    .map((step, k) => (typeof step === 'number' ? `[${step}]` : `${k > 0 ? '.' : ''}${step}`))
    .join('');
}
