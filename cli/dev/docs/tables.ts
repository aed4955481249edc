import { rangeText } from '../../../src/options/range.js';
import { OPTIMIZER_KINDS, optimizerDef } from '../../../src/train/optimizers/index.js';
import { kebab } from '../../values.js';

/** Every table that a document may hold, by its name there, as Markdown. */
export const TABLES: Readonly<Record<string, () => string>> = {
  optimizers: () =>
    table(
      ['`--optimizer`', 'what it is', 'numbers (default)', 'state'],
      OPTIMIZER_KINDS.map((kind) => {
        const { doc, hyper, slots, arithmetic } = optimizerDef(kind);
        const numbers = Object.entries(hyper).map(
          ([name, number]) =>
            `\`--${kebab(name)}\` (${number.default}): ${number.doc}, a number${rangeText(number)}`,
        );
        const only = arithmetic === 'matrices' ? '; for parameters with two axes' : '';
        return [
          `\`${kind}\``,
          `${doc}${only}`,
          numbers.join('<br>'),
          slots.map((slot) => `\`${slot}\``).join(', '),
        ];
      }),
    ),
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}
