import type { AllTexts, FieldView, SetName, Texts } from '../protocol.js';
import { byId, made } from './elements.js';

/** The fields of options: what they show is what the commands declare. */

const SETS: readonly SetName[] = ['rewrite', 'emit', 'train'];

type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const inputs = new Map<SetName, Map<string, { readonly field: FieldView; readonly input: Input }>>();

export function showFields(fields: Readonly<Record<SetName, readonly FieldView[]>>): void {
  for (const set of SETS) {
    const own = new Map<string, { readonly field: FieldView; readonly input: Input }>();
    for (const field of fields[set]) {
      const id = `${set}-${field.key}`;
      const input = inputOf(field, id);
      own.set(field.key, { field, input });
      input.setAttribute('aria-describedby', `${id}-doc`);
      const label = made('label', { htmlFor: id }, made('code', {}, `--${field.flag}`));
      const box = made('div', { className: `field ${field.kind}` }, label, input, docOf(field, `${id}-doc`));
      byId(`${set}-${field.common ? 'fields' : 'more'}`).append(box);
    }
    inputs.set(set, own);
  }
}

/** What an option does; a long text is opened first. */
function docOf({ doc, flag }: FieldView, id: string): HTMLElement {
  const text = made('span', { id, className: 'doc' }, doc);
  return doc.length <= LONG
    ? text
    : made('details', { className: 'doc' }, made('summary', {}, `about --${flag}`), text);
}

const LONG = 200;

function inputOf({ kind, choices, initial }: FieldView, id: string): Input {
  if (kind === 'switch') return made('input', { id, type: 'checkbox', checked: initial === 'true' });
  if (kind === 'lines')
    return made('textarea', { id, rows: 1, value: initial, placeholder: 'one on each line' });
  if (kind === 'choice') {
    const none = initial === '' ? [made('option', { value: '' }, '(default)')] : [];
    const options = choices.map((choice) =>
      made('option', { value: choice, selected: choice === initial }, choice),
    );
    return made('select', { id }, ...none, ...options);
  }
  return made('input', {
    id,
    type: 'text',
    value: initial,
    inputMode: kind === 'number' ? 'decimal' : 'text',
    autocomplete: 'off',
  });
}

/** What is typed into the fields of a command, where it differs from its defaults. */
export function textsOf(set: SetName): Texts {
  const rows = [...inputs.get(set)!].map(
    ([key, { field, input }]) => [key, typed(input), field.initial] as const,
  );
  return Object.fromEntries(
    rows.flatMap(([key, value, initial]) => (value === initial ? [] : [[key, value]])),
  );
}

export const allTexts = (): AllTexts => ({
  rewrite: textsOf('rewrite'),
  emit: textsOf('emit'),
  train: textsOf('train'),
});

/** Fills all fields: what the texts do not say has its default. */
export function fillFields(texts: AllTexts): void {
  for (const set of SETS) {
    for (const [key, { field, input }] of inputs.get(set)!) {
      const value = texts[set][key] ?? field.initial;
      if (input instanceof HTMLInputElement && input.type === 'checkbox') input.checked = value === 'true';
      else input.value = value;
    }
  }
}

const typed = (input: Input): string =>
  input instanceof HTMLInputElement && input.type === 'checkbox' ? String(input.checked) : input.value.trim();
