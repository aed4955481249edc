import type { Part } from './part.js';
import { isId } from './vocabulary.js';

/** A piece of the layout of a row: the tokens of one of the texts, or special tokens. */
type Item =
  | { readonly text: 'A' | 'B'; readonly type: number }
  | { readonly ids: readonly number[]; readonly type: number };

/** How one text, or two, are laid out in a row. */
export interface TokenLayout {
  readonly single: readonly Item[];
  readonly pair: readonly Item[];
}

const A = (type = 0): Item => ({ text: 'A', type });
const B = (type = 1): Item => ({ text: 'B', type });
const special = (id: number, type = 0): Item => ({ ids: [id], type });

const PLAIN: TokenLayout = { single: [A()], pair: [A(), B()] };

/** The layout that a tokenizer.json asks for. Throws LOTR8209 for a post-processor that is not known. */
export function layoutOf(part: Part | null): TokenLayout {
  if (part === null) return PLAIN;
  switch (part.type) {
    case 'ByteLevel':
      return PLAIN; // it moves offsets only
    case 'BertProcessing': {
      const [cls, sep] = [tokenOf(part, 'cls'), tokenOf(part, 'sep')];
      const single = [special(cls), A(), special(sep)];
      return { single, pair: [...single, B(), special(sep, 1)] };
    }
    case 'RobertaProcessing': {
      const [cls, sep] = [tokenOf(part, 'cls'), tokenOf(part, 'sep')];
      const single = [special(cls), A(), special(sep)];
      return { single, pair: [...single, special(sep), B(0), special(sep)] };
    }
    case 'TemplateProcessing':
      return template(part);
    case 'Sequence': {
      const layouts = part.parts('processors').map(layoutOf);
      const adding = layouts.filter((layout) => layout !== PLAIN);
      if (adding.length > 1) part.unsupported('more than one processor that adds tokens');
      return adding[0] ?? PLAIN;
    }
    default:
      return part.unsupported(`the post-processor "${part.type}"`);
  }
}

/** Special tokens that a layout adds. */
export function addedBy(items: readonly Item[]): number {
  return items.reduce((sum, item) => sum + ('ids' in item ? item.ids.length : 0), 0);
}

/** One row: its ids and the token type of each. */
export function layOut(
  items: readonly Item[],
  a: readonly number[],
  b: readonly number[],
): { readonly ids: Int32Array; readonly types: readonly number[] } {
  const ids: number[] = [];
  const types: number[] = [];
  for (const item of items) {
    for (const id of 'ids' in item ? item.ids : item.text === 'A' ? a : b) {
      ids.push(id);
      types.push(item.type);
    }
  }
  return { ids: Int32Array.from(ids), types };
}

/** A token with its id, as [token, id]. */
function tokenOf(part: Part, name: string): number {
  const [, id] = part.list(name);
  return isId(id) ? id : part.refuse(`"${name}" is not a token and its id`);
}

function template(part: Part): TokenLayout {
  const tokens = part.part('special_tokens');
  const items = (name: string): readonly Item[] =>
    part.parts(name).map((row) => {
      const sequence = row.part('Sequence');
      if (sequence) {
        const text = sequence.text('id');
        const type = sequence.count('type_id', 0);
        return text === 'A' || text === 'B' ? { text, type } : sequence.refuse(`there is no text "${text}"`);
      }
      const token = row.part('SpecialToken') ?? row.refuse('it is neither a Sequence nor a SpecialToken');
      const name = token.text('id');
      const ids = tokens?.part(name)?.list('ids') ?? token.refuse(`"special_tokens" does not have "${name}"`);
      return {
        ids: ids.map((id) => (isId(id) ? id : token.refuse('an id is not a whole number'))),
        type: token.count('type_id', 0),
      };
    });
  const pair = part.has('pair') ? items('pair') : PLAIN.pair;
  const single = part.has('single') ? items('single') : PLAIN.single;
  const requireOnce = (name: string, list: readonly Item[], text: string, times: number) => {
    const found = list.filter((item) => 'text' in item && item.text === text).length;
    if (found < times) part.refuse(`"${name}" leaves out the text ${text}`);
    if (found > times) part.unsupported(`a text ${text} that "${name}" has ${found} times`);
  };
  for (const text of ['A', 'B']) requireOnce('pair', pair, text, 1);
  requireOnce('single', single, 'A', 1);
  requireOnce('single', single, 'B', 0);
  return { single, pair };
}
