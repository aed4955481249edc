import type { AdapterSpec } from './description.js';

/** A description as JSON text: a field on each line, a factor on each line, without what a description need not say. */
export function descriptionText({ tall, ...spec }: AdapterSpec): string {
  const other = tall ? [`  "tall": {\n${fieldsText(tall, '    ')}\n  }`] : [];
  return `{\n${[fieldsText(spec, '  '), ...other].join(',\n')}\n}\n`;
}

function fieldsText({ factors, ...fields }: Pick<AdapterSpec, 'factors'>, indent: string): string {
  const lines = Object.entries(fields).map(([name, value]) => `${indent}"${name}": ${spaced(value)}`);
  const rows = factors.map(({ lrMultiplier, ...factor }) => {
    const rate = lrMultiplier === 1 ? {} : { lrMultiplier };
    return `${indent}  ${spaced({ ...factor, ...rate })}`;
  });
  return [...lines, `${indent}"factors": [\n${rows.join(',\n')}\n${indent}]`].join(',\n');
}

/** JSON on one line, with spaces after commas and colons. */
function spaced(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  const fields = Object.entries(value).map(([name, held]) => `${JSON.stringify(name)}: ${spaced(held)}`);
  return `{ ${fields.join(', ')} }`;
}
