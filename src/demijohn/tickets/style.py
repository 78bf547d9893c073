"""The style of the page that development shows."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f3; --card: #fff; --ink: #22262a; --soft: #596067; --line: #d9dcd8;
  --red: #9c2418; --head: #2b1613; --mark: #fbe9e4; --own: #1f6a44; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181a; --card: #1d2124; --ink: #e6e8e8; --soft: #a3abb0; --line: #363c41; --red: #ff9d8e;
    --head: #241210; --mark: #47201a; --own: #7fd0a2; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
header { padding: 1.5rem max(1rem, calc(50vw - 33rem)); background: var(--head); color: #fff; }
header p { margin: 0; color: #e8cfca; }
main { max-width: 68rem; margin: 0 auto; padding: 1rem 1rem 3rem; }
h1 { margin: .2rem 0; font-size: 1.6rem; }
h2 { margin: 2rem 0 .5rem; font-size: 1.2rem; }
pre, code, textarea { font: .875rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { margin: 0; white-space: pre-wrap; }
.said { font-size: 1rem; }
main .said { color: var(--red); }
section { margin-top: 1rem; }
.member { margin: 1rem 0 0; padding-left: 1rem; border-left: 3px solid var(--line); }
details { margin-top: .5rem; border: 1px solid var(--line); border-radius: 6px; background: var(--card); }
summary { padding: .5rem .8rem; cursor: pointer; }
.own > summary > code:first-of-type { color: var(--own); font-weight: 700; }
.foreign > summary { color: var(--soft); }
.line { display: block; padding-left: 1rem; color: var(--ink); }
.source { padding: .5rem 0; border-top: 1px solid var(--line); overflow-x: auto; white-space: pre; }
.source span { display: inline-block; min-width: 100%; padding: 0 .8rem; }
.source b { display: inline-block; width: 3rem; color: var(--soft); font-weight: 400; }
.here { background: var(--mark); }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .2rem .8rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
th { width: 14rem; font: .875rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; color: var(--soft); }
textarea { width: 100%; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); color: var(--ink); }
.soft, .link { color: var(--soft); }
:focus-visible { outline: 3px solid #b4690e; outline-offset: 2px; }
@media (max-width: 40rem) { th { width: 8rem; } }
"""
