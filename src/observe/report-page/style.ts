/** The page's looks, light and dark, on paper too. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #1b1f27; --soft: #5b6270; --line: #dfe3ea;
  --ok: #0b7a4b; --ok-ground: #e2f5ec; --bad: #b3101c; --bad-ground: #fdeaea; --focus: #0173b2; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1218; --card: #171b23; --ink: #e7eaf0; --soft: #9aa3b2;
  --line: #2b313d; --ok: #4fd69c; --ok-ground: #11301f; --bad: #ff8d8d; --bad-ground: #3a1619; --focus: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 12px; } h3 { font-size: 14px; margin: 18px 0 8px; }
header { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: center; margin-bottom: 6px; }
.badge { font-weight: 700; padding: 5px 16px; border-radius: 99px; }
.badge.ok, .ok-text { color: var(--ok); } .badge.ok { background: var(--ok-ground); }
.badge.bad, .bad-text { color: var(--bad); } .badge.bad { background: var(--bad-ground); }
.ok-text, .bad-text { font-weight: 650; white-space: nowrap; }
.verdict { font-size: 17px; margin: 4px 0 2px; overflow-wrap: anywhere; } .facts, .note { color: var(--soft); margin: 2px 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; margin-top: 18px; min-width: 0; }
p.note { font-size: 13px; margin-top: 10px; }
section.alarm { border-color: var(--bad); } .alarm ul, .faults ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll :is(th, td):first-child { position: sticky; left: 0; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; white-space: nowrap; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; } .num { text-align: right; white-space: nowrap; }
td.name { white-space: nowrap; } td.text { overflow-wrap: anywhere; min-width: 12em; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 7px; vertical-align: -1px; }
.hash { font: 12.5px ui-monospace, monospace; color: var(--soft); }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin-bottom: 10px; } .tools h2 { margin: 0 auto 0 0; }
button { font: inherit; font-size: 14px; min-width: 34px; padding: 3px 10px; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 7px; cursor: pointer; } button:hover { border-color: var(--soft); }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
#range { color: var(--soft); font-size: 13.5px; font-variant-numeric: tabular-nums; }
.timeline { display: grid; grid-template-columns: minmax(90px, max-content) minmax(0, 1fr); column-gap: 12px; }
.timeline canvas { display: block; width: 100%; touch-action: pan-y; }
#overview { margin-bottom: 12px; cursor: pointer; } #timeline { cursor: grab; } #timeline.held { cursor: grabbing; }
.overview-label { color: var(--soft); font-size: 12.5px; } .rows { position: relative; max-width: 220px; }
.row-label { display: flex; align-items: center; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; font-size: 13px; }
.row-label span:last-child { overflow: hidden; text-overflow: ellipsis; }
.row-label.coproc { height: 44px; font-weight: 650; font-size: 14.5px; } .row-label.vcoproc { height: 26px; }
.drawing { position: relative; min-width: 0; } #hair { position: absolute; top: 0; bottom: 30px; width: 1px; background: var(--soft); pointer-events: none; }
#tooltip { position: fixed; z-index: 9; max-width: 340px; padding: 8px 12px; border-radius: 8px; pointer-events: none; font-size: 13px;
  background: var(--ink); color: var(--card); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; box-shadow: 0 4px 18px #0005; }
#tooltip[hidden], #hair[hidden] { display: none; } .tip-title { font-weight: 700; } .tip-more { opacity: .75; font-style: italic; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 22px; height: 13px; border-radius: 3px; margin-right: 7px; vertical-align: -2px; }
.bar { display: flex; height: 34px; border-radius: 7px; overflow: hidden; background: var(--line); } .bar div { min-width: 0; overflow: hidden;
  white-space: nowrap; font-size: 12.5px; font-weight: 600; line-height: 34px; text-align: center; color: #000; }
.bar .switching { background: repeating-linear-gradient(135deg, #6b7280 0 4px, #9aa1ad 4px 8px); }
.bar .faulted { background: repeating-linear-gradient(0deg, #c1121f 0 4px, #e9a1a6 4px 6px); }
.shares { display: grid; grid-template-columns: minmax(60px, max-content) minmax(0, 1fr); gap: 4px 14px; align-items: center; }
.shares .sum { grid-column: 2; color: var(--soft); font-size: 13px; margin-bottom: 10px; font-variant-numeric: tabular-nums; }
svg.histogram { display: block; width: 240px; height: 46px; } svg.histogram text { font-size: 10px; fill: var(--soft); }
svg.histogram line { stroke: var(--line); } svg.histogram .mark { stroke: var(--ink); stroke-dasharray: 2 2; opacity: .6; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 16px; }
figure { margin: 0; min-width: 0; } figcaption { font-size: 12.5px; color: var(--soft); overflow-wrap: anywhere; margin-top: 5px; }
.picture { display: block; width: 100%; padding: 0; overflow: hidden; line-height: 0; background: repeating-conic-gradient(#8883 0 25%, #8881 0 50%) 0 0/16px 16px; cursor: zoom-in; }
.picture img { width: 100%; height: auto; } .picture img.small { image-rendering: pixelated; }
figure:has(.picture.large) { grid-column: 1 / -1; } .picture.large { cursor: zoom-out; }
.files { columns: 260px; font-size: 13.5px; margin: 12px 0 0; padding-left: 18px; overflow-wrap: anywhere; } a { color: inherit; }
footer { color: var(--soft); font-size: 13px; margin-top: 22px; }
@media (max-width: 640px) { main { padding: 18px 10px 40px; } section { padding: 14px 12px; } .rows { max-width: 108px; }
  .timeline { column-gap: 6px; } .row-label { font-size: 11.5px; } .row-label.coproc { font-size: 13px; } .gallery { grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); } }
@media print { :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --ok: #0b7a4b; --bad: #b3101c; --ok-ground: #fff; --bad-ground: #fff; }
  body { font-size: 11px; } main { max-width: none; padding: 0; } section { break-inside: avoid; border-radius: 0; } section.pictures { break-inside: auto; } figure { break-inside: avoid; }
  button:not(.picture), #tooltip, #hair { display: none; } .bar, .legend i, .swatch, .badge { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;
