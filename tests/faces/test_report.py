"""The report: self-contained, and everything a station sent is inert text."""

import re

from chargekit.faces.figures import Series, chart, thinned, ticks
from chargekit.faces.plain import inert, markup, one_line
from chargekit.faces.report import page

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[2J\u202egnp.exe\x00\"'&"


def row(**more):
    base = {"case": "CK-X-001", "subject": HOSTILE, "verdict": "fail", "reason": HOSTILE, "title": HOSTILE, "covers": [HOSTILE]}
    evidence = {"file": "records/x.jsonl", "records": [1]}
    measured = [{"name": HOSTILE, "value": 1.0, "unit": HOSTILE, "at_most": 2.0, "at_least": None, "uncertainty": 0.1, "marginal": False}]
    return {**base, "expectation": HOSTILE, "measured": measured, "evidence": evidence, "reproduce": HOSTILE, **more}


def records():
    body = {"circuits": {"grid": {"limit_a": 10.0}}, "meters": {"m": {"circuit": "grid", "station": None}}, "whole_site": True}
    sample = {"current_a": [5.0, 1.0, 0.0], "power_w": 1150.0, "energy_wh": 1.0, "voltage_v": [230.0] * 3}
    return [
        {"seq": 0, "t": 0.0, "witness": "rig", "subject": "s", "kind": "site", "body": body},
        {"seq": 1, "t": 0.5, "witness": "wire", "subject": HOSTILE, "kind": HOSTILE, "body": {"payload": HOSTILE}},
        *({"seq": n, "t": float(n), "witness": "meter", "subject": "m", "kind": "sample", "body": sample} for n in range(2, 9)),
    ]


def test_hostile_text_is_inert_everywhere():
    text = page({"site": HOSTILE, "seed": HOSTILE, "chargekit": HOSTILE, "verdicts": [row()]}, {"x.jsonl": records()})
    assert "<img" not in text
    assert "<script" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "default-src 'none'" in text
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "<svg" in text


def test_text_for_terminals_is_one_harmless_line():
    assert one_line("a\x1b[31m\nb\tc") == "a\ufffd[31m b c"
    assert inert("x" * 30, 10) == "x" * 10 + " …"
    assert markup("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"


def test_a_chart_keeps_extremes_and_draws_caps():
    points = [(float(t), 100.0 if t == 777 else 1.0) for t in range(5000)]
    assert max(v for _, v in thinned(points)) == 100.0
    assert len(thinned(points)) <= 600
    drawn = chart("t", "A", [Series("m", points), Series("cap", [(0.0, 50.0)], cap=True)])
    assert 'class="cap"' in drawn
    assert chart("t", "A", [Series("cap", [(0.0, 50.0)], cap=True)]) == ""


def test_ticks_are_round():
    assert ticks(0, 97) == [0, 20, 40, 60, 80]
    assert ticks(0, 0.9) == [0, 0.2, 0.4, 0.6, 0.8]
