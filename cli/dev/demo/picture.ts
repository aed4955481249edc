import { chart, escaped, type Series } from '../../../src/train/logs/chart.js';

const TITLE = 'Validation loss on Moby-Dick by training step, frozen model of 1.2 million weights';
const WIDTH = 900;
const HEIGHT = 350;
/** colours that are read on white and on black */
const COLORS = ['#2f6fed', '#c2410c', '#15803d', '#7c3aed'];
const STYLE = `
text { fill: #808080; font: 13px system-ui, sans-serif; }
.title { font-size: 16px; }
.grid { stroke: #80808040; } .axis { stroke: #808080; }
path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
${COLORS.map((color, k) => `path.s${k} { stroke: ${color}; } circle.s${k} { fill: ${color}; }`).join('\n')}
`;

/** A curve of the picture, and where PyTorch ends with the same recipe. */
export interface Curve {
  readonly name: string;
  readonly points: Series['points'];
  readonly torch: number;
}

/** The demo's validation losses as an SVG file that needs no page around it. */
export function picture(curves: readonly Curve[]): string {
  const series = curves.map(({ name, points }): Series => ({ name, points, look: 'dots' }));
  const names = curves.map(({ name, points, torch }, k) => {
    const text = `${name}: ${points.at(-1)![1].toFixed(3)}, PyTorch ${torch.toFixed(3)}`;
    const x = 60 + 290 * k;
    return `<circle class="s${k}" cx="${x}" cy="50" r="5"/><text x="${x + 12}" y="55">${escaped(text)}</text>`;
  });
  const inner = chart({ title: 'validation loss', series, wide: true }).replace(
    '<svg ',
    `<svg x="0" y="70" width="${WIDTH}" height="${HEIGHT - 80}" `,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}">`,
    `<title>${TITLE}</title>`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="52" y="24">${TITLE}</text>`,
    ...names,
    inner,
    '</svg>',
    '',
  ].join('\n');
}
