import type { TextNote } from './drafts.js';
import type { Lexer } from './lexer.js';
import { parseEntries, parseString } from './tensor-parse.js';

/** What a note is about: `node` is the node after it. */
export interface ParsedNote {
  readonly target: 'node' | 'graph' | 'function' | 'value' | 'tensor' | 'attr';
  /** of the value, tensor or attribute */
  readonly name: string;
  readonly note: TextNote;
}

const NAMED: readonly ParsedNote['target'][] = ['value', 'tensor', 'attr'];
const TARGETS: readonly ParsedNote['target'][] = ['graph', 'function', ...NAMED];

export function emptyNote(): TextNote {
  return { docString: '', metadata: new Map(), origin: null };
}

interface NoteHost {
  readonly lex: Lexer;
  name(what: string): string;
}

/**
 * `#@ [target [name]] key: value, ...` with the keys doc_string, metadata_props, origin and pass. Several notes on one
 * node add up in `node`. Throws LOTR1401.
 */
export function parseNote(host: NoteHost, node: TextNote): ParsedNote {
  const { lex } = host;
  lex.need('#@', 'before a note');
  let word = wordOf(lex);
  let target: ParsedNote['target'] = 'node';
  let name = '';
  if (!lex.is(':')) {
    const found = TARGETS.find((known) => known === word);
    if (!found)
      return lex.unexpected('":" after a key, or one of graph, function, value, tensor, attr before it');
    target = found;
    if (NAMED.includes(target)) name = host.name(`the name of the ${target}`);
    word = wordOf(lex);
  }
  const note = target === 'node' ? node : emptyNote();
  for (;;) {
    lex.need(':', 'after a key');
    if (word === 'doc_string') note.docString = parseString(lex);
    else if (word === 'metadata_props') note.metadata = new Map(parseEntries(lex));
    else if (word === 'origin') note.origin = { ...note.origin, from: strings(lex) };
    else if (word === 'pass') note.origin = { from: note.origin?.from ?? [], pass: parseString(lex) };
    else lex.unexpected('one of the keys doc_string, metadata_props, origin, pass before it');
    if (!lex.take(',')) return { target, name, note };
    word = wordOf(lex);
  }
}

function wordOf(lex: Lexer): string {
  if (lex.kind !== 'id') lex.unexpected('a word after "#@"');
  const { text } = lex;
  lex.advance();
  return text;
}

function strings(lex: Lexer): string[] {
  lex.need('[', 'before a list of strings');
  const items: string[] = [];
  if (lex.take(']')) return items;
  do items.push(parseString(lex));
  while (lex.take(','));
  lex.need(']', 'or "," after a string');
  return items;
}
