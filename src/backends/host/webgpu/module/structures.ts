import {
  type InterfaceDeclarationStructure,
  type MethodSignatureStructure,
  type OptionalKind,
  type PropertySignatureStructure,
  StructureKind,
  type TypeAliasDeclarationStructure,
  VariableDeclarationKind,
  type VariableStatementStructure,
} from 'ts-morph';
import { literal, type TableValue, WIDTH } from './literal.js';

/** Declarations of an emitted module, each with its comment. */

/** The comment above a declaration; a line of its own stays one. `indent`: of the declaration. */
function doc(text: string, indent = 0): string {
  const safe = text.replaceAll('*/', '* /');
  if (!safe.includes('\n') && indent + '/**  */'.length + safe.length <= WIDTH) return safe;
  const room = WIDTH - indent - ' * '.length;
  return `\n${safe
    .split('\n')
    .map((line) => wrapped(line, room))
    .join('\n')}`;
}

/** The same as text, for an entry of a table. */
export function comment(text: string, indent: number): string {
  const about = doc(text, indent);
  return about.startsWith('\n') ? `/**${about.replaceAll('\n', '\n * ')}\n */` : `/** ${about} */`;
}

function wrapped(line: string, room: number): string {
  const lines: string[] = [];
  for (const word of line.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

interface Declared {
  readonly name: string;
  readonly doc: string;
  readonly exported?: boolean;
  /** of a type: `Name extends string` */
  readonly parameter?: string;
}

const parameters = ({ parameter }: Declared) =>
  parameter === undefined ? {} : { typeParameters: [parameter] };

/** `const NAME = TEXT`, with a type where it does not follow from the text. */
export function constant(
  { name, doc: about, exported = true, type }: Declared & { readonly type?: string },
  initializer: string,
): VariableStatementStructure {
  return {
    kind: StructureKind.VariableStatement,
    isExported: exported,
    declarationKind: VariableDeclarationKind.Const,
    docs: [doc(about)],
    declarations: [{ name, initializer, ...(type === undefined ? {} : { type }) }],
  };
}

/** A table: its names and numbers are types too, and it is checked against `type`. */
export function typedTable(
  declared: Declared & { readonly type: string },
  value: TableValue,
): VariableStatementStructure {
  const { type, ...rest } = declared;
  const before = `export const ${declared.name} = `.length + ` as const satisfies ${type};`.length;
  return constant(rest, `${literal(value, 0, before)} as const satisfies ${type}`);
}

/** A list whose entries are not needed as types. */
export function list(
  declared: Declared & { readonly type: string },
  value: TableValue,
): VariableStatementStructure {
  const before = `export const ${declared.name}: ${declared.type} = `.length;
  return constant(declared, literal(value, 0, before));
}

export function alias(declared: Declared, type: string): TypeAliasDeclarationStructure {
  const { name, doc: about, exported = true } = declared;
  return {
    kind: StructureKind.TypeAlias,
    isExported: exported,
    name,
    type,
    docs: [doc(about)],
    ...parameters(declared),
  };
}

/** A field of an interface: `name?: type`. */
export const field = (
  name: string,
  type: string,
  about?: string,
): OptionalKind<PropertySignatureStructure> => ({
  name: name.replace('?', ''),
  type,
  isReadonly: true,
  hasQuestionToken: name.endsWith('?'),
  ...(about === undefined ? {} : { docs: [doc(about, 2)] }),
});

/** A method of an interface: parameters as `name: type`, with `?` after names that may be left out. */
export const method = (
  name: string,
  parameters: Readonly<Record<string, string>>,
  returnType: string,
  about: string,
): OptionalKind<MethodSignatureStructure> => ({
  name,
  parameters: Object.entries(parameters).map(([key, type]) => ({
    name: key.replace('?', ''),
    type,
    hasQuestionToken: key.endsWith('?'),
  })),
  returnType,
  docs: [doc(about, 2)],
});

export function shape(
  declared: Declared & { readonly extends?: string[] },
  properties: OptionalKind<PropertySignatureStructure>[],
  methods: OptionalKind<MethodSignatureStructure>[] = [],
): InterfaceDeclarationStructure {
  const { name, doc: about, exported = true, extends: bases } = declared;
  return {
    kind: StructureKind.Interface,
    isExported: exported,
    name,
    properties,
    methods,
    docs: [doc(about)],
    ...parameters(declared),
    ...(bases === undefined ? {} : { extends: bases }),
  };
}
