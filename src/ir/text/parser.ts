import type { HeldAttr } from '../attr.js';
import { textDuplicate, textNesting } from '../codes/text.js';
import { fail } from '../diagnostics.js';
import { Graph, GraphFunction, Model } from '../model.js';
import { type AttrHost, parseAttr, parseInt64 } from './attr-parse.js';
import { describeGraph, fillParsedGraph, withDocs } from './build.js';
import type { ParsedGraph, ParsedInfo, ParsedNode, TextNote } from './drafts.js';
import { Lexer } from './lexer.js';
import { emptyNote, parseNote } from './notes.js';
import { rememberOmitted } from './omitted-fields.js';
import { MAX_NESTING } from './printer.js';
import { parseEntries, parseString, parseTensor } from './tensor-parse.js';
import { atType, parseType } from './types.js';

/**
 * Reads ONNX's textual syntax with our additions (README.md). `file` is the path of the text: shown in messages, and
 * its folder is where tensors that the text names by location are looked for on demand.
 * Throws LotrcError: LOTR1401 syntax, LOTR1402 values, LOTR1403 duplicate names, LOTR1404 nesting.
 */
export function parseModel(text: string, file?: string): Model {
  return new Parser(text, file ?? null).model();
}

interface Header {
  readonly numbers: Map<string, number | bigint>;
  readonly strings: Map<string, string>;
  readonly opsets: Map<string, number>;
  metadata: ReadonlyMap<string, string>;
}

const STRING_KEYS = ['producer_name', 'producer_version', 'domain', 'doc_string', 'overload'];
const NUMBER_KEYS = ['ir_version', 'model_version'];

class Parser implements AttrHost {
  readonly lex: Lexer;
  readonly file: string | null;
  #depth = 0;

  constructor(text: string, file: string | null) {
    this.lex = new Lexer(text, file ?? '<text>');
    this.file = file;
  }

  model(): Model {
    const { lex } = this;
    const header = this.#header();
    const draft = this.graph(this.name('the name of the graph'));
    const model = new Model(draft.graph);
    fillParsedGraph(draft, lex);
    const number = (key: string): number | bigint | null => header.numbers.get(key) ?? null;
    model.irVersion = Number(number('ir_version') ?? model.irVersion);
    model.modelVersion = number('model_version');
    model.producerName = header.strings.get('producer_name') ?? '';
    model.producerVersion = header.strings.get('producer_version') ?? '';
    model.domain = header.strings.get('domain') ?? '';
    model.docString = header.strings.get('doc_string') ?? '';
    for (const [domain, version] of header.opsets) model.opsets.set(domain, version);
    for (const [key, value] of header.metadata) model.setMetadata(key, value);
    model.path = this.file;
    while (lex.kind !== 'end') {
      if (lex.is('#@')) {
        rememberOmitted(model, this.#omitted());
        if ((lex.kind as string) !== 'end') lex.unexpected('the end of the text after "#@ not_shown"');
      } else this.#function(model);
    }
    return model;
  }

  /** A name, bare or quoted. */
  name(what: string): string {
    const { lex } = this;
    if (lex.kind === 'string') return lex.stringText();
    if (lex.kind !== 'id') lex.unexpected(what);
    const { text } = lex;
    lex.advance();
    return text;
  }

  /** `(inputs) => (outputs) <initializers and types> { nodes }` */
  graph(name: string, note: TextNote = emptyNote()): ParsedGraph {
    const { lex } = this;
    if (++this.#depth > MAX_NESTING) fail(textNesting({ ...lex.place(lex.start), limit: MAX_NESTING }));
    const draft: ParsedGraph = {
      graph: new Graph(name),
      inputs: [],
      outputs: [],
      infos: [],
      nodes: [],
      notes: [],
    };
    this.#infos('(', ')', 'an input', draft.inputs);
    lex.need('=>', 'between inputs and outputs');
    this.#infos('(', ')', 'an output', draft.outputs);
    if (lex.is('<')) this.#infos('<', '>', 'an initializer or a type', draft.infos);
    lex.need('{', 'before the nodes');
    let docs = new Map<string, string>();
    let held = emptyNote();
    while (!lex.take('}')) {
      if (lex.is('#@')) {
        const at = lex.start;
        const found = parseNote(this, held);
        if (found.target === 'value' || found.target === 'tensor') {
          draft.notes.push({ target: found.target, name: found.name, note: found.note, at });
        } else if (found.target === 'graph') describeGraph(draft.graph, found.note);
        else if (found.target === 'function') Object.assign(note, found.note);
        else if (found.target === 'attr') docs.set(found.name, found.note.docString);
        else held = found.note;
        continue;
      }
      draft.nodes.push(this.#node(held, docs));
      if (docs.size > 0) docs = new Map();
      held = emptyNote();
    }
    this.#depth--;
    return draft;
  }

  /** A list of values with types, and data for initializers. */
  #infos(open: string, close: string, what: string, into: ParsedInfo[]): void {
    const { lex } = this;
    lex.need(open, `before ${what}`);
    if (lex.take(close)) return;
    do {
      const at = lex.start;
      const type = atType(lex) ? parseType(lex) : null;
      const name = this.name(type === null ? `${what}: a type or a name` : 'a name after the type');
      const data = what !== 'an output' && lex.take('=') ? parseTensor(lex, type, name, this.file) : null;
      into.push({ name, type, data, at });
    } while (lex.take(','));
    lex.need(close, `or "," after ${what}`);
  }

  /** `[label] outputs = domain.Op:overload <attributes> (inputs)`, attributes possibly last. */
  #node(note: TextNote, docs: ReadonlyMap<string, string>): ParsedNode {
    const { lex } = this;
    let label = '';
    if (lex.take('[')) {
      label = this.name('the name of the node');
      lex.need(']', 'after the name of the node');
    }
    const outputs: string[] = [];
    this.#names(outputs, '=');
    lex.need('=', 'after the outputs of a node');
    let op = this.name('an operator');
    let domain = '';
    while (lex.take('.')) {
      domain = domain === '' ? op : `${domain}.${op}`;
      op = this.name('an operator after the domain');
    }
    const overload = lex.take(':') ? this.name('an overload') : '';
    const graphs: ParsedGraph[] = [];
    let attrs = this.#attrs(graphs);
    lex.need('(', 'before the inputs of a node');
    const inputs: string[] = [];
    this.#names(inputs, ')');
    lex.need(')', 'or "," after an input');
    if (attrs.length === 0) attrs = this.#attrs(graphs);
    return { name: label, domain, op, overload, outputs, inputs, attrs: withDocs(attrs, docs), graphs, note };
  }

  /** Names up to `close`. As in ONNX, nothing before a comma is an empty name, and one trailing comma is ignored. */
  #names(into: string[], close: string): void {
    const { lex } = this;
    if (lex.is(close)) return;
    do {
      if (lex.is(close)) return;
      into.push(lex.is(',') ? '' : this.name('a name'));
    } while (lex.take(','));
  }

  #attrs(graphs: ParsedGraph[]): (readonly [string, HeldAttr])[] {
    const { lex } = this;
    const attrs: (readonly [string, HeldAttr])[] = [];
    if (!lex.take('<')) return attrs;
    const seen = new Set<string>();
    do {
      const at = lex.start;
      const name = this.name('the name of an attribute');
      if (seen.has(name)) fail(textDuplicate({ ...lex.place(at), what: 'the attribute', name }));
      seen.add(name);
      const parsed = parseAttr(this, 5);
      graphs.push(...parsed.graphs);
      attrs.push([name, parsed.attr]);
    } while (lex.take(','));
    lex.need('>', 'or "," after an attribute');
    return attrs;
  }

  #header(): Header {
    const { lex } = this;
    const header: Header = { numbers: new Map(), strings: new Map(), opsets: new Map(), metadata: new Map() };
    if (!lex.take('<')) return header;
    do {
      const key = lex.kind === 'id' ? lex.text : '';
      const keys = [...NUMBER_KEYS, ...STRING_KEYS, 'opset_import', 'metadata_props'];
      if (!keys.includes(key)) lex.unexpected(`one of ${keys.join(', ')}`);
      lex.advance();
      lex.need(':', `after ${key}`);
      if (NUMBER_KEYS.includes(key)) header.numbers.set(key, parseInt64(lex));
      else if (STRING_KEYS.includes(key)) header.strings.set(key, parseString(lex));
      else if (key === 'metadata_props') header.metadata = new Map(parseEntries(lex));
      else this.#opsets(header.opsets);
    } while (lex.take(','));
    lex.need('>', 'or "," after an entry of the header');
    return header;
  }

  #opsets(into: Map<string, number>): void {
    const { lex } = this;
    lex.need('[', 'before the operator sets');
    if (lex.take(']')) return;
    do {
      const domain = parseString(lex);
      lex.need(':', 'between domain and version');
      into.set(domain === 'ai.onnx' ? '' : domain, Number(parseInt64(lex)));
    } while (lex.take(','));
    lex.need(']', 'or "," after an operator set');
  }

  #function(model: Model): void {
    const { lex } = this;
    const at = lex.start;
    const header = this.#header();
    const name = this.name('a function');
    const attributes: string[] = [];
    const defaults: (readonly [string, HeldAttr])[] = [];
    const graphs: ParsedGraph[] = [];
    if (lex.take('<') && !lex.take('>')) {
      do {
        const attr = this.name('the name of an attribute');
        if (lex.is(':') || lex.is('=')) {
          const parsed = parseAttr(this, 11);
          graphs.push(...parsed.graphs);
          defaults.push([attr, parsed.attr]);
        } else attributes.push(attr);
      } while (lex.take(','));
      lex.need('>', 'or "," after an attribute of a function');
    }
    const note = emptyNote();
    const draft = this.graph('', note);
    const { strings } = header;
    const fn = new GraphFunction(
      strings.get('domain') ?? '',
      name,
      strings.get('overload') ?? '',
      draft.graph,
    );
    fillParsedGraph(draft, lex);
    for (const inner of graphs) fillParsedGraph(inner, lex);
    fn.attributes = attributes;
    fn.defaults = defaults;
    fn.docString = strings.get('doc_string') ?? '';
    if (note.metadata.size > 0) fn.metadata = note.metadata;
    for (const [domain, version] of header.opsets) fn.opsets.set(domain, version);
    if (model.functions.has(fn.key))
      fail(textDuplicate({ ...lex.place(at), what: 'the function', name: fn.key }));
    model.addFunction(fn);
  }

  /** `#@ not_shown kind: count, ...` as the last line. */
  #omitted(): Map<string, number> {
    const { lex } = this;
    const counts = new Map<string, number>();
    lex.need('#@', 'at the end');
    if (lex.kind !== 'id' || lex.text !== 'not_shown') lex.unexpected('"not_shown" or a function');
    lex.advance();
    do {
      const kind = this.name('what is not shown');
      lex.need(':', 'before a count');
      counts.set(kind, Number(parseInt64(lex)));
    } while (lex.take(','));
    return counts;
  }
}
