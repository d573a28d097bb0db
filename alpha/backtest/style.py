"""The style sheet of the report. It follows the reader's light or dark theme."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;
--ink:#1b1f24;--dim:#667080;--page:#fff;--card:#f5f7f9;--line:#dfe3e8;--won:#1a8f5a;
--lost:#c8443c;--blue:#2f6fde}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#93a0b0;--page:#12161c;--card:#1a2029;
--line:#2a323d;--won:#3cc486;--lost:#ef6f66;--blue:#6ea2ff}}
body{margin:0;background:var(--page);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1140px;margin:0 auto;padding:24px 20px 60px}
h1{margin:0;font-size:24px}h2{margin:34px 0 8px;font-size:16px}
.when,.note{margin:4px 0;color:var(--dim)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(125px,1fr));gap:8px;
margin:20px 0}
.tiles div{background:var(--card);border-radius:6px;padding:8px 12px}
dt{color:var(--dim);font-size:12px}dd{margin:0;font-size:17px;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:auto;background:var(--card);border-radius:6px}
svg text{font-size:11px;fill:var(--dim);font-variant-numeric:tabular-nums}
svg .name{fill:var(--ink);font-size:12px}
.grid{stroke:var(--line)}.base{stroke:var(--dim);stroke-dasharray:3 3}
.line{fill:none;stroke-width:1.4}.equity.line{stroke:var(--blue)}
.equity.area{fill:var(--blue);opacity:.13}
.fall.line{stroke:var(--lost)}.fall.area{fill:var(--lost);opacity:.2}
.candle{stroke-width:.7;opacity:.55}.candle.up{stroke:var(--won);fill:var(--won)}
.candle.down{stroke:var(--lost);fill:var(--lost)}
.mark{fill:none;stroke-width:1.8}.won .mark,.won .exit{stroke:var(--won)}
.lost .mark,.lost .exit{stroke:var(--lost)}.exit{fill:var(--page);stroke-width:1.4}
g.won .entry{fill:var(--won)}g.lost .entry{fill:var(--lost)}
rect.won{fill:var(--won)}rect.lost{fill:var(--lost)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
th{color:var(--dim);font-weight:500;text-align:left}
th,td{padding:3px 12px 3px 0;white-space:nowrap}
td:not(:first-child),th:not(:first-child){text-align:right}
td.won{color:var(--won)}td.lost{color:var(--lost)}
.heat th:not(:first-child),.heat td{padding:5px 9px;text-align:center}
.heat td.won{background:color-mix(in srgb,var(--won) calc(var(--s)*75%),transparent)}
.heat td.lost{background:color-mix(in srgb,var(--lost) calc(var(--s)*75%),transparent)}
.heat td{color:var(--ink);border-radius:4px}
.wide{overflow-x:auto}.wide svg{min-width:660px}
g:hover .mark{stroke-width:4}
details{margin-top:10px}details .wide{margin-top:8px}
summary{cursor:pointer;color:var(--dim)}
summary.title{margin-top:34px;color:var(--ink);font-size:16px;font-weight:600}
"""
