"""How the report looks: on light and dark screens, on paper, and at the width of a phone."""

from imagesmith.report.markup import Markup

STYLE = Markup("""
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --sheet: #ffffff; --ink: #1b1f24; --soft: #5b6470; --rule: #d9dee4;
  --speed: #0b57c4; --usual: #6d7681;
  --good: #157a3c; --bad: #c0271d; --warn: #9a5b00;
  --compare: #0d8f8f; --clear: #d98200; --probe: #8250df;
  --write: #3178e0; --verify: #2c9a4b; --head: #cf3f8c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --sheet: #181c22; --ink: #e4e8ee; --soft: #9aa4b1; --rule: #303842;
    --speed: #7fb4ff; --usual: #a3adb9;
    --good: #4cc272; --bad: #ff7b70; --warn: #e6a84a;
    --compare: #3fc4c4; --clear: #f0a63c; --probe: #b392f0;
    --write: #5c9bf5; --verify: #4fc074; --head: #f07ab8;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 48px; max-width: 920px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { margin: 0; font-size: 26px; line-height: 1.25; }
h2 { margin: 0; font-size: 18px; }
p { margin: 4px 0; }
a { color: inherit; }
.soft, dt, figcaption, th { color: var(--soft); }
.done { color: var(--good); } .failed { color: var(--bad); } .unfinished { color: var(--warn); }
header { margin-bottom: 20px; padding: 16px 20px; background: var(--sheet); border: 1px solid var(--rule);
  border-left: 6px solid currentColor; border-radius: 6px; }
header > *, section > * { color: var(--ink); }
header > h1, h2 > b { color: inherit; }
section { margin: 20px 0; padding: 16px 20px; background: var(--sheet); border: 1px solid var(--rule);
  border-radius: 6px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
th { font-weight: 500; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
tr:last-child td { border-bottom: 0; }
td b { font-weight: 600; }
.figure { text-align: right; white-space: nowrap; }
.word { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 10px 0 0; }
dd { margin: 0; overflow-wrap: anywhere; }
.note { margin: 10px 0; padding: 8px 12px; border-left: 4px solid currentColor; background: var(--page);
  overflow-wrap: anywhere; }
.note > * { color: var(--ink); }
figure { margin: 12px 0 4px; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 14px; font-size: 13px; }
.key::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 5px;
  background: var(--tint); }
.key.speed::before, .key.usual::before { width: 18px; height: 2px; vertical-align: 4px; }
.key.usual::before { height: 1px; }
.key.retry::before { border-radius: 50%; }
svg { display: block; width: 100%; min-width: 600px; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--soft); }
.compare { --tint: var(--compare); } .clear { --tint: var(--clear); } .probe { --tint: var(--probe); }
.write { --tint: var(--write); } .verify { --tint: var(--verify); } .head { --tint: var(--head); }
.speed { --tint: var(--speed); } .usual { --tint: var(--usual); } .retry { --tint: var(--warn); }
.area { fill: var(--tint); opacity: 0.13; }
.strip { fill: var(--tint); }
.grid { stroke: var(--rule); }
.tick { stroke: var(--soft); }
polyline { fill: none; stroke: var(--tint); stroke-linejoin: round; }
polyline.speed { stroke-width: 1.6; }
polyline.usual { stroke-width: 1; }
circle.retry { fill: var(--tint); }
line.end { stroke: var(--bad); stroke-width: 2; }
svg text.end { fill: var(--bad); font-weight: 600; }
@media print {
  body { padding: 0; max-width: none; }
  section, header { break-inside: avoid; }
}
""")
