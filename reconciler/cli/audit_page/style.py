"""How the report looks, on a screen and on paper: black on white, no colour alone says anything, nothing is fetched."""

from __future__ import annotations

CSS = """
:root { --ink: #16181d; --soft: #565c68; --line: #c9cdd6; --wash: #f4f5f8; --good: #14613a; --bad: #9b1c1c;
  --accent: #1d3f72; }
* { box-sizing: border-box; }
html { background: #fff; color: var(--ink); font: 16px/1.5 Charter, "Bitstream Charter", "Source Serif 4", Georgia,
  "DejaVu Serif", serif; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 5rem; }
h1, h2, h3, h4, table, dl, nav, .kind, figure, .result .word { font-family: "Inter", "Segoe UI", "Helvetica Neue",
  "Liberation Sans", "DejaVu Sans", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .35rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3.2rem 0 .9rem; padding-bottom: .35rem; border-bottom: 2px solid var(--ink); }
h3 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
h4 { font-size: .95rem; margin: 1.6rem 0 .4rem; }
p { margin: .5rem 0; max-width: 44rem; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 2px; }
code, pre { font-family: "JetBrains Mono", "DejaVu Sans Mono", "Liberation Mono", Consolas, monospace;
  font-size: .84em; }
code { overflow-wrap: anywhere; }
code.short { white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--wash); border: 1px solid var(--line);
  padding: .7rem .9rem; line-height: 1.45; margin: .5rem 0; }
header .kind { text-transform: uppercase; letter-spacing: .09em; font-size: .75rem; font-weight: 600;
  color: var(--soft); margin: 0 0 .4rem; }
header .about { color: var(--soft); margin: 0; }
.result { border: 2px solid var(--ink); border-left-width: 10px; padding: .9rem 1.2rem 1rem; margin: 1.6rem 0; }
.result.good { border-color: var(--good); }
.result.bad { border-color: var(--bad); }
.result .word { font-size: 1.15rem; font-weight: 700; margin: 0 0 .2rem; }
.result.good .word { color: var(--good); }
.result.bad .word { color: var(--bad); }
.result p { max-width: none; }
nav { font-size: .86rem; margin: 1.4rem 0 0; }
nav ol { margin: .3rem 0 0; padding-left: 1.4rem; columns: 2; }
table { border-collapse: collapse; width: 100%; font-size: .82rem; line-height: 1.4; margin: .7rem 0 1.3rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .34rem .9rem .34rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
thead th { border-bottom: 1.5px solid var(--ink); font-weight: 600; color: var(--soft); font-size: .76rem; }
tbody th { font-weight: 600; white-space: nowrap; }
td.time, th.time, .nowrap { white-space: nowrap; }
table.values tbody th { width: 5.5rem; }
dl.facts { font-size: .84rem; margin: .6rem 0 1rem; }
dl.facts > div { display: grid; grid-template-columns: 12.5rem 1fr; gap: .2rem 1rem; padding: .26rem 0;
  border-bottom: 1px solid var(--line); }
dl.facts dt { color: var(--soft); }
h5 { font: 600 .86rem "Liberation Sans", "DejaVu Sans", Arial, sans-serif; margin: 1.1rem 0 .2rem; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: .8rem 0 1.2rem; }
svg.fills { position: absolute; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { font-size: .82rem; font-weight: 600; padding: .3rem 0; }
.key { font-family: "Liberation Sans", "DejaVu Sans", Arial, sans-serif; font-size: .76rem;
  color: var(--soft); margin: .2rem 0 0; max-width: none; }
.key svg { width: 1.9rem; height: .75rem; display: inline-block; vertical-align: -.05rem; margin: 0 .35rem 0 .8rem; }
.key svg:first-child { margin-left: 0; }
.stay { border-left: 3px solid var(--line); padding-left: 1rem; margin: 1.3rem 0; }
.stay > h4 { margin-top: 0; }
.stay p, .stay ul { font-size: .84rem; }
dd ul { margin: 0; padding-left: 1.1rem; }
.stay.rejected { border-left-color: var(--bad); }
.stay.member { border-left-color: var(--ink); }
.soft { color: var(--soft); }
span.bad { color: var(--bad); font-weight: 600; }
ul { margin: .4rem 0 .8rem; padding-left: 1.3rem; }
dl.words dt { font-weight: 600; font-size: .9rem; margin-top: .7rem; }
dl.words dd { margin: .1rem 0 0; font-family: Charter, Georgia, "DejaVu Serif", serif; max-width: 44rem; }
footer { margin-top: 3.5rem; border-top: 1px solid var(--line); padding-top: .6rem; font-size: .8rem;
  color: var(--soft); }
@page { size: A4; margin: 17mm 16mm 18mm;
  @bottom-right { content: counter(page) " of " counter(pages); font: 8pt Arial, sans-serif; } }
@media print {
  :root { --ink: #000; --soft: #333; --line: #999; --wash: #fff; --accent: #000; }
  html { font-size: 10.5pt; }
  body { max-width: none; padding: 0; }
  a { text-decoration: none; }
  h2 { break-before: page; margin-top: 0; }
  h2.flow { break-before: auto; margin-top: 2rem; }
  h1, h2, h3, h4, h5, caption, figcaption { break-after: avoid; }
  tr, figure, pre, .result, .stay, .reason, .opening, .source, .commit, dl.facts > div,
  dl.words > div { break-inside: avoid; }
  .nowrap { white-space: normal; }
  thead { display: table-header-group; }
  table { font-size: 8.6pt; }
  p, li, dd { orphans: 3; widows: 3; }
  nav { break-inside: avoid; }
}
@media (max-width: 46rem) {
  dl.facts > div { grid-template-columns: 1fr; }
  nav ol { columns: 1; }
  table { display: block; overflow-x: auto; }
}
"""
