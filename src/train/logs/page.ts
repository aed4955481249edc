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
