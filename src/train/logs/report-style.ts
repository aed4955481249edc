/** The report's style sheet. Colours are named once, for light and for dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #fff; --ink: #1c1d1f; --soft: #63666b; --line: #e2e2de;
  --s0: #2f6fed; --s1: #0b3fa8; --s2: #c2410c; --s3: #15803d; --s4: #9333ea; --s5: #0e7490; --s6: #a16207; --s7: #be185d; --bad: #b91c1c; --good: #15803d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #141517; --card: #1c1e21; --ink: #e7e8ea; --soft: #9a9ea6; --line: #303338;
    --s0: #6f9dff; --s1: #a9c4ff; --s2: #ff9a5c; --s3: #5fd38d; --s4: #c99bff; --s5: #5cc8dc; --s6: #e2c15a; --s7: #ff8fbd; --bad: #ff8080; --good: #5fd38d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.05rem; margin: 0; }
header p { margin: .25rem 0 1.5rem; color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 0 0 1rem; }
.tiles div, figure, section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.tiles div { padding: .8rem 1rem; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles dd.note { color: var(--soft); font-size: .85rem; font-weight: 400; }
.warning { border-left: 4px solid var(--bad); padding: .5rem 1rem; margin: 0 0 1rem; background: var(--card); }
figure, section { margin: 0 0 1rem; padding: 1rem 1.1rem; }
figcaption { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; margin-bottom: .5rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 0 1rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: 0; padding: 0; font-size: .85rem; color: var(--soft); }
.legend li::before { content: ""; display: inline-block; width: 1.1rem; height: .2rem; margin-right: .4rem; vertical-align: middle; background: currentColor; }
.legend .s0::before { background: var(--s0); } .legend .s1::before { background: var(--s1); }
.legend .s2::before { background: var(--s2); } .legend .s3::before { background: var(--s3); }
.legend .s4::before { background: var(--s4); } .legend .s5::before { background: var(--s5); }
.legend .s6::before { background: var(--s6); } .legend .s7::before { background: var(--s7); }
.legend .dashed::before { background: none; height: 0; border-top: .2rem dotted var(--soft); }
.legend .s0.dashed::before { border-color: var(--s0); } .legend .s1.dashed::before { border-color: var(--s1); }
.legend .s2.dashed::before { border-color: var(--s2); } .legend .s3.dashed::before { border-color: var(--s3); }
.legend .faint::before { opacity: .4; }
svg { display: block; width: 100%; height: auto; }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); }
svg .tick { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg path.s0 { stroke: var(--s0); } svg path.s1 { stroke: var(--s1); }
svg path.s2 { stroke: var(--s2); } svg path.s3 { stroke: var(--s3); }
svg path.s4 { stroke: var(--s4); } svg path.s5 { stroke: var(--s5); }
svg path.s6 { stroke: var(--s6); } svg path.s7 { stroke: var(--s7); }
svg path.dashed { stroke-dasharray: 2 5; }
svg path.faint { stroke-width: 1; opacity: .4; }
svg circle.s0 { fill: var(--s0); } svg circle.s1 { fill: var(--s1); }
svg circle.s2 { fill: var(--s2); } svg circle.s3 { fill: var(--s3); }
svg circle.s4 { fill: var(--s4); } svg circle.s5 { fill: var(--s5); }
svg circle.s6 { fill: var(--s6); } svg circle.s7 { fill: var(--s7); }
svg path.lost { fill: var(--bad); }
section h2 { margin-bottom: .5rem; }
svg.wide { min-width: 40rem; }
.scroll { overflow-x: auto; }
@media screen { .long { max-height: 32rem; overflow-y: auto; } }
table { border-collapse: collapse; font-size: .95rem; }
th, td { text-align: left; padding: .3rem 1.5rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 500; color: var(--soft); }
tr:last-child > * { border-bottom: 0; }
.numbers th, .numbers td { text-align: right; padding: .3rem 0 .3rem 2rem; font-variant-numeric: tabular-nums; }
.numbers th:first-child, .numbers td:first-child { padding-left: 0; }
.heat td { background: color-mix(in srgb, var(--s0) calc(var(--v) * 55%), var(--card)); text-align: center; padding: .3rem .8rem; }
.heat th { padding: .3rem .8rem; }
section p, figure p { margin: .25rem 0 .5rem; color: var(--soft); }
.best { font-weight: 700; color: var(--good); }
`;
