import { defineCode, type Place } from '../diagnostics.js';

/** Diagnostics 14xx (textual IR). */

interface TextPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const at = ({ file, line, column }: TextPlace): Place => ({ kind: 'text', file, line, column });

export const textSyntax = defineCode<
  TextPlace & { expected: string; found: string; hint?: string | undefined }
>({
  code: 'LOTR1401',
  severity: 'error',
  title: 'the text is not ONNX textual syntax',
  explain:
    'At the given line and column the grammar (ONNX docs/Syntax.md, with the additions listed in ' +
    'src/ir/text/README.md) expects something else. Names that are not plain identifiers must be in double quotes; ' +
    'lists are separated by commas; a node reads `[label] outputs = domain.Op <attributes> (inputs)`.',
  make: (p) => ({
    message: `expected ${p.expected}, found ${p.found}`,
    at: at(p),
    hint: p.hint ?? 'names that are not plain identifiers must be in double quotes',
  }),
});

export const textValue = defineCode<TextPlace & { why: string; hint: string }>({
  code: 'LOTR1402',
  severity: 'error',
  title: 'a literal in the text does not fit its type',
  explain:
    'A number is out of the range of its type, a string holds an unknown escape or is not UTF-8 where a name is ' +
    'wanted, an attribute value is not of the declared type, or a tensor has more or fewer elements than its shape.',
  make: (p) => ({ message: p.why, at: at(p), hint: p.hint }),
});

export const textDuplicate = defineCode<TextPlace & { what: string; name: string }>({
  code: 'LOTR1403',
  severity: 'error',
  title: 'the text defines one name twice',
  explain:
    'Inputs, initializers, attributes and functions have unique names. An initializer may repeat the name of an ' +
    'input, which makes it the default of that input.',
  make: (p) => ({
    message: `${p.what} ${JSON.stringify(p.name)} is defined twice`,
    at: at(p),
    hint: 'rename or remove one of the two',
  }),
});

export const textNesting = defineCode<TextPlace & { limit: number }>({
  code: 'LOTR1404',
  severity: 'error',
  title: 'graphs or types are nested too deeply in the text',
  explain:
    'Graphs inside attributes, and sequence and optional types, may be nested up to a limit that no model needs.',
  make: (p) => ({
    message: `nesting exceeds the limit of ${p.limit} levels`,
    at: at(p),
    hint: 'the text is damaged or was made to exhaust memory',
  }),
});

export const textNoData = defineCode<{ name: string; why: string }>({
  code: 'LOTR1405',
  severity: 'error',
  title: 'the data of a tensor is not in the text',
  explain:
    'The text shows tensors of more than 8 elements by a checksum and, when they lie in a file, by its location, ' +
    'offset and length. Such a tensor can be read only while that file lies in the folder of the text file.',
  make: ({ name, why }) => ({
    message: `the data of tensor ${JSON.stringify(name)} cannot be read: ${why}`,
    at: { kind: 'tensor', name },
    hint: 'put the model that was printed into the folder of the text, or start from the model itself',
  }),
});

export const textChecksum = defineCode<{ name: string; location: string; stated: string; actual: string }>({
  code: 'LOTR1406',
  severity: 'error',
  title: 'the data of a tensor is not what the text states',
  explain:
    'The file that holds the data of the tensor was changed after the text was printed: the checksum over element ' +
    'type, shape and bytes differs. Print the model again, or restore the file.',
  make: ({ name, location, stated, actual }) => ({
    message: `tensor ${JSON.stringify(name)} in ${JSON.stringify(location)} has checksum ${actual}, the text says ${stated}`,
    at: { kind: 'tensor', name },
    hint: 'print the model again, or restore its data file',
  }),
});

export const textTooDeep = defineCode<{ limit: number; graph: string }>({
  code: 'LOTR1407',
  severity: 'error',
  title: 'a model is nested too deeply to be printed',
  explain:
    'The printer and the parser accept graphs nested in attributes up to the same limit as the ONNX reader.',
  make: ({ limit, graph }) => ({
    message: `graph ${JSON.stringify(graph)} is nested deeper than ${limit} levels`,
    hint: 'no exporter nests graphs this deep; check how the model was built',
  }),
});
