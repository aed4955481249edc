import {
  type CodeBlockWriter,
  IndentationText,
  NewLineKind,
  Project,
  QuoteKind,
  type StatementStructures,
} from 'ts-morph';

/** A statement of an emitted module: a structure of ts-morph, or text where ts-morph has no structure for it. */
export type Statement = StatementStructures | string;

/**
 * The text of a module. ts-morph writes the structures and then formats the whole; both settings are fixed here, the file
 * system is in memory and no library is loaded, so the same statements give the same text everywhere.
 */
export function moduleText(statements: readonly Statement[]): string {
  const project = new Project({
    useInMemoryFileSystem: true,
    skipLoadingLibFiles: true,
    manipulationSettings: {
      indentationText: IndentationText.TwoSpaces,
      newLineKind: NewLineKind.LineFeed,
      quoteKind: QuoteKind.Single,
    },
  });
  const file = project.createSourceFile('index.ts', { statements: statements.map(spaced) });
  file.formatText({
    indentSize: 2,
    convertTabsToSpaces: true,
    newLineCharacter: '\n',
    ensureNewLineAtEndOfFile: true,
  });
  return file.getFullText();
}

/** With an empty line before it. */
const spaced = (statement: Statement): Statement =>
  typeof statement === 'string'
    ? statement
    : { ...statement, leadingTrivia: (writer: CodeBlockWriter) => writer.blankLineIfLastNot() };
