"""`report.html`: the verdicts with their evidence and the figures people look at. Made from record files alone.

Self-contained: no script, no outside resource, and a content policy that would refuse both. Everything a charger sent is
inert text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from chargekit.faces.figures import Mark, Series, chart, clock
from chargekit.faces.plain import markup

Row = Mapping[str, Any]
Record = Mapping[str, Any]
WORDS: Final = ("fail", "error", "inconclusive", "pass", "not applicable")
SIGN: Final = {"pass": "✓", "fail": "✗", "inconclusive": "?", "error": "!", "not applicable": "–"}
EVIDENCE: Final = 14
"""Records shown of each verdict's evidence."""

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#fff;--panel:#f5f7fa;--rule:#dde3ea;
--pass:#1f7a4d;--fail:#b3261e;--inconclusive:#8a5a00;--error:#7b2d8b;--na:#7a8694}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa7b8;--paper:#12161c;--panel:#1b212a;--rule:#2e3744;
--pass:#4cc38a;--fail:#ff7b72;--inconclusive:#e0b252;--error:#d28be0;--na:#8592a3}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1080px;margin:2rem auto;
padding:0 1.2rem}h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
.soft{color:var(--soft)}.sum{display:flex;gap:1.4rem;flex-wrap:wrap;margin:1rem 0}
.sum b{font-size:1.6rem;display:block;line-height:1.2}
.pass{color:var(--pass)}.fail{color:var(--fail)}.inconclusive{color:var(--inconclusive)}.error{color:var(--error)}
.not-applicable{color:var(--na)}table{border-collapse:collapse;font-size:.88rem}
th,td{padding:.25rem .55rem;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top}
.matrix{overflow-x:auto}.matrix td.v{text-align:center;font-weight:700}.matrix a{color:inherit;text-decoration:none}
.matrix th.s{font-weight:500;font-size:.78rem;white-space:nowrap}
details{border:1px solid var(--rule);border-radius:8px;background:var(--panel);padding:.5rem .9rem;margin:.45rem 0}
summary{cursor:pointer}summary b{margin-right:.5rem}pre,code{font:12.5px/1.45 ui-monospace,monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.4rem 0;background:var(--paper);padding:.5rem .7rem;
border-radius:6px;border:1px solid var(--rule)}figure{margin:1rem 0;background:var(--panel);border-radius:8px;
padding:.7rem .7rem .2rem}figcaption{font-weight:600;margin-bottom:.2rem}svg{width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}.grid{stroke:var(--rule);stroke-width:1}
.tick{stroke:var(--soft)}.line{fill:none;stroke-width:1.7;stroke-linejoin:round}
.cap{fill:none;stroke:var(--fail);stroke-width:1.7;stroke-dasharray:6 4}.mark line{stroke:var(--soft);
stroke-width:1;stroke-dasharray:2 3;opacity:.7}
.c0{stroke:#3f7fd9}.c1{stroke:#2a9d8f}.c2{stroke:#e07a3f}.c3{stroke:#9b5de5}.c4{stroke:#c9a227}.c5{stroke:#d1495b}
.c6{stroke:#4f9d3a}.c7{stroke:#00a6c7}.c8{stroke:#8d6e63}.c9{stroke:#5c6bc0}.c10{stroke:#ad7fa8}.c11{stroke:#7f8c8d}
"""


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The run's `verdicts.json` and the records of each file under `records/`, a torn last line left out."""
    summary: dict[str, Any] = orjson.loads((folder / "verdicts.json").read_bytes())
    files: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "records").glob("*.jsonl")):
        records = []
        for line in path.read_bytes().split(b"\n"):
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(record, dict) and "witness" in record and record["witness"] != "truth":
                records.append(record)
        files[path.name] = records
    return summary, files


def write_report(folder: Path) -> Path:
    """Make `report.html` in a run folder; returns its path."""
    summary, files = read_run(folder)
    path = folder / "report.html"
    path.write_text(page(summary, files), encoding="utf-8")
    return path


def page(summary: Mapping[str, Any], files: Mapping[str, Sequence[Record]]) -> str:
    """The whole document."""
    rows: list[Row] = list(summary.get("verdicts", []))
    count = Counter(str(row["verdict"]) for row in rows)
    tiles = "".join(f'<div class="{_css(word)}"><b>{count[word]}</b>{markup(word)}</div>' for word in WORDS if count[word])
    site = markup(summary.get("site", ""))
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>chargekit: {site}</title><style>{STYLE}</style></head><body>",
            f'<p class="soft">chargekit {markup(summary.get("chargekit", ""))}</p><h1>{site}</h1>',
            f'<p class="soft">{len(rows)} verdicts, seed {markup(summary.get("seed", ""))}. Each verdict rests on what the '
            "wire and independent meters showed; open it for its evidence.</p>",
            f'<div class="sum">{tiles}</div>',
            "<h2>Matrix</h2>",
            _matrix(rows),
            _figures(rows, files),
            "<h2>Verdicts</h2>",
            *(_verdict(row, files) for row in sorted(rows, key=_order)),
            "</body></html>",
        ]
    )


def _css(word: str) -> str:
    return word.replace(" ", "-") if word in WORDS else "error"


def _order(row: Row) -> tuple[int, str, str]:
    word = row["verdict"]
    return (WORDS.index(word) if word in WORDS else 1, row["case"], row["subject"])


def _anchor(row: Row) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{row['case']}--{row['subject']}")


def _matrix(rows: Sequence[Row]) -> str:
    subjects = sorted({str(row["subject"]) for row in rows})
    cells = {(row["case"], row["subject"]): row for row in rows}
    head = "".join(f'<th class="s">{markup(s, 40)}</th>' for s in subjects)
    lines = []
    for case in sorted({str(row["case"]) for row in rows}):
        line = [f"<tr><th>{markup(case, 60)}</th>"]
        for subject in subjects:
            row = cells.get((case, subject))
            if row is None:
                line.append("<td></td>")
                continue
            sign = SIGN.get(row["verdict"], "!")
            line.append(f'<td class="v {_css(row["verdict"])}" title="{markup(row["verdict"])}"><a href="#{_anchor(row)}">{sign}</a></td>')
        lines.append("".join(line) + "</tr>")
    return f'<div class="matrix"><table><tr><th></th>{head}</tr>{"".join(lines)}</table></div>'


def _verdict(row: Row, files: Mapping[str, Sequence[Record]]) -> str:
    word = str(row["verdict"])
    opened = " open" if word in ("fail", "error") else ""
    parts = [
        f'<details id="{_anchor(row)}"{opened}><summary><b class="{_css(word)}">{SIGN.get(word, "!")} {markup(word)}</b>'
        f'{markup(row["case"], 60)} <span class="soft">{markup(row["subject"], 80)}</span> {markup(row.get("title", ""), 160)}'
        f"</summary><p>{markup(row.get('reason', ''))}</p>"
    ]
    if row.get("expectation"):
        parts.append(f'<p class="soft">Expected: {markup(row["expectation"])}</p>')
    if row.get("measured"):
        parts.append(_measured(row["measured"]))
    name = str((row.get("evidence") or {}).get("file", ""))
    records = files.get(name.removeprefix("records/"), ())
    parts.append(_evidence(row, records, name))
    if word in ("fail", "error", "inconclusive") and records:
        parts.append(_run_figures(records))
    if row.get("covers"):
        parts.append(f'<p class="soft">Covers: {markup(", ".join(map(str, row["covers"])))}</p>')
    if row.get("reproduce"):
        parts.append(f"<pre>{markup(row['reproduce'])}</pre>")
    return "".join(parts) + "</details>"


def _measured(measured: Iterable[Mapping[str, Any]]) -> str:
    lines = []
    for one in measured:
        bound = " and ".join(
            f"{text} {one[key]:g}"
            for key, text in (("at_least", "at least"), ("at_most", "at most"))
            if isinstance(one.get(key), (int, float))
        )
        value = one.get("value")
        figure = f"{value:.2f}" if isinstance(value, (int, float)) else markup(value)
        give = f" ± {one['uncertainty']:g}" if one.get("uncertainty") else ""
        note = "marginal" if one.get("marginal") else ""
        lines.append(
            f"<tr><td>{markup(one.get('name', ''))}</td><td>{figure}{give} {markup(one.get('unit', ''))}</td>"
            f"<td>{markup(bound)}</td><td>{note}</td></tr>"
        )
    return f"<table><tr><th>measured</th><th>value</th><th>bound</th><th></th></tr>{''.join(lines)}</table>"


def _evidence(row: Row, records: Sequence[Record], name: str) -> str:
    wanted = (row.get("evidence") or {}).get("records") or []
    by_seq = {record.get("seq"): record for record in records}
    shown = [by_seq[seq] for seq in wanted if seq in by_seq][-EVIDENCE:]
    lines = [
        f"{clock(r['t']):>8}  {markup(r['witness']):6} {markup(r['subject'], 40)}  {markup(r['kind'], 60)}  "
        f"{markup(orjson.dumps(r['body']).decode(), 260)}"
        for r in shown
    ]
    where = f'<p class="soft">Evidence: <code>{markup(name)}</code></p>' if name else ""
    return where + (f"<pre>{chr(10).join(lines)}</pre>" if lines else "")


# --- figures ----------------------------------------------------------------------------------------------------


def _site_record(records: Sequence[Record]) -> Mapping[str, Any]:
    return next((r["body"] for r in records if r["witness"] == "rig" and r["kind"] == "site"), {})


def _meter_lines(records: Sequence[Record], key: str) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record["witness"] == "meter" and record["kind"] == "sample":
            body = record["body"]
            value = max(body["current_a"]) if key == "current_a" else body["power_w"] / 1000
            lines.setdefault(record["subject"], []).append((record["t"], value))
    return lines


def _hands(records: Sequence[Record]) -> list[Mark]:
    skip = {"site"}
    return [Mark(r["t"], f"{r['kind']} {r['subject']}") for r in records if r["witness"] == "rig" and r["kind"] not in skip]


def _caps(records: Sequence[Record], circuit: str, first: float | None) -> list[tuple[float, float]]:
    caps = [(0.0, first)] if first is not None else []
    for record in records:
        if record["witness"] == "rig" and record["kind"] == "set_cap" and record["body"].get("circuit") == circuit:
            limit = record["body"].get("limit_a")
            if isinstance(limit, (int, float)):
                caps.append((record["t"], float(limit)))
    return caps


def _run_figures(records: Sequence[Record]) -> str:
    """Current per meter against the caps of their circuits, and site power, for one record file."""
    about = _site_record(records)
    meters: Mapping[str, Any] = about.get("meters", {})
    marks = _hands(records)
    current = _meter_lines(records, "current_a")
    out = []
    roots = {name for name, one in about.get("circuits", {}).items() if not one.get("parent")}
    for meter, info in sorted(meters.items(), key=lambda m: (m[1].get("circuit") not in roots, m[0])):
        circuit = info.get("circuit")
        if not circuit or meter not in current or max(v for _, v in current[meter]) < 1.0:
            continue
        rating = about.get("circuits", {}).get(circuit, {}).get("limit_a")
        caps = _caps(records, circuit, rating)
        limit = Series(f"cap of {circuit}", caps, cap=True, step=True)
        out.append(_figure(f"Current of {circuit}, highest phase", "A", [Series(meter, current[meter]), limit], marks))
        power = _meter_lines(records, "power_w")[meter]
        volts = float(about.get("voltage_v", 230.0)) * 3 / 1000
        kilowatts = Series(f"cap of {circuit}", [(t, a * volts) for t, a in caps], cap=True, step=True)
        out.append(_figure(f"Power of {circuit} against its cap", "kW", [Series(meter, power), kilowatts], marks))
    stations = [
        Series(str(info.get("station")), current[meter])
        for meter, info in sorted(meters.items())
        if info.get("station") and meter in current and max(v for _, v in current[meter]) > 0.5
    ]
    for start in range(0, len(stations), 12):
        out.append(_figure("Current per station, highest phase", "A", stations[start : start + 12], marks))
    return "".join(out)


def _figure(title: str, unit: str, series: Sequence[Series], marks: Sequence[Mark]) -> str:
    drawn = chart(title, unit, series, marks, height=230 + 18 * (len(series) > 5) + 18 * (len(series) > 10))
    return f"<figure><figcaption>{markup(title)}</figcaption>{drawn}</figure>" if drawn else ""


def _figures(rows: Sequence[Row], files: Mapping[str, Sequence[Record]]) -> str:
    """The figures of the site-wide cases, at the top; each chart carries its case's name."""
    out = []
    for name, records in files.items():
        if not _site_record(records).get("whole_site"):
            continue
        drawn = _run_figures(records)
        row = next((r for r in rows if name.startswith(f"{r['case']}--")), None)
        if drawn and row is not None:
            head = f"{markup(row['case'], 60)} {markup(row.get('title', ''), 120)}"
            out.append(f"<h2>{head}</h2>{drawn}")
    return "".join(out)
