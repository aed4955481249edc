import type { AdapterSpec } from './description.js';

/** A description as JSON text: a field on each line, a factor on each line, without what a description need not say. */
export function descriptionText({ factors, ...fields }: AdapterSpec): string {
  const lines = Object.entries(fields).map(([name, value]) => `  "${name}": ${spaced(value)}`);
  const rows = factors.map(({ lrMultiplier, ...factor }) => {
    const rate = lrMultiplier === 1 ? {} : { lrMultiplier };
    return `    ${spaced({ ...factor, ...rate })}`;
  });
  return `{\n${[...lines, `  "factors": [\n${rows.join(',\n')}\n  ]`].join(',\n')}\n}\n`;
}

/** JSON on one line, with spaces after commas and colons. */
function spaced(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  const fields = Object.entries(value).map(([name, held]) => `${JSON.stringify(name)}: ${spaced(held)}`);
  return `{ ${fields.join(', ')} }`;
}
