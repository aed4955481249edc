/** Width of a line of the emitted module. */
export const WIDTH = 110;

/** What tables hold. */
export type TableValue =
  | number
  | boolean
  | string
  | null
  | readonly TableValue[]
  | { readonly [key: string]: TableValue };

/**
 * A value as TypeScript: on one line where it fits after `before` characters, otherwise one line per entry. `indent`:
 * of the line that it begins on.
 */
export function literal(value: TableValue, indent = 0, before = 0): string {
  const flat = flatText(value);
  const room = WIDTH - indent - before - ','.length;
  if (typeof value !== 'object' || value === null || flat.length <= room) return flat;
  const lines = isList(value)
    ? value.map((item) => literal(item, indent + 2))
    : Object.entries(value).map(
        ([key, item]) => `${keyText(key)}: ${literal(item, indent + 2, keyText(key).length + 2)}`,
      );
  const [open, close] = isList(value) ? '[]' : '{}';
  return [open, ...lines.map((line) => `${' '.repeat(indent + 2)}${line},`), ' '.repeat(indent) + close].join(
    '\n',
  );
}

function flatText(value: TableValue): string {
  if (typeof value === 'string') return quotedText(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (isList(value)) return `[${value.map(flatText).join(', ')}]`;
  const entries = Object.entries(value).map(([key, item]) => `${keyText(key)}: ${flatText(item)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

// Array.isArray does not narrow a readonly array
const isList = (value: TableValue): value is readonly TableValue[] => Array.isArray(value);

/** A string in single quotes. */
export function quotedText(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

/** The key of an entry: in quotes where it is not an identifier. `__proto__` would set the prototype, in quotes too. */
export const keyText = (key: string): string => {
  if (key === '__proto__') return "['__proto__']";
  return /^[A-Za-z_]\w*$/.test(key) ? key : quotedText(key);
};

/** Text between backticks, as it is. */
export const template = (text: string): string =>
  `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')}\``;
