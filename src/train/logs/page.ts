import { escaped } from './chart.js';
import { STYLE } from './report-style.js';

/** A page that loads nothing and runs no script. `body` is HTML, the others are text. */
export function page(title: string, summary: string, body: string): string {
  const name = escaped(title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>${name}</h1><p>${escaped(summary)}</p></header>
${body}
</main>
</body>
</html>
`;
}

/** A cell of a table of numbers: its text, or that and whether it is the best of its column. */
export type NumberCell = string | { readonly text: string; readonly best: boolean };

/** A section with a table of numbers, which scrolls where the window is narrower. `heads` and cells are text. */
export function numbersTable(
  title: string,
  heads: readonly string[],
  rows: readonly (readonly NumberCell[])[],
): string {
  const cell = (value: NumberCell): string =>
    typeof value === 'string'
      ? `<td>${escaped(value)}</td>`
      : `<td${value.best ? ' class="best"' : ''}>${escaped(value.text)}</td>`;
  const head = heads.map((text) => `<th scope="col">${escaped(text)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n');
  return `<section><h2>${escaped(title)}</h2><div class="scroll long"><table class="numbers"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div></section>`;
}
