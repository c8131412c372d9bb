"""Located values: every complaint names file, line and what to do."""

import pytest

from chargekit.model.located import BadInput, Located, Source


def node(value, line=7):
    return Located(value, Source("site.yaml", line))


@pytest.mark.parametrize(
    ("text", "unit", "figure"),
    [
        ("250 A", "A", 250),
        (16, "A", 16),
        ("11 kW", "kW", 11),
        ("3500 W", "kW", 3.5),
        ("5 min", "s", 300),
        ("250ms", "s", 0.25),
    ],
)
def test_a_quantity_with_its_unit(text, unit, figure):
    assert node(text).as_number(unit) == pytest.approx(figure)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: node("16 V").as_number("A"), "site.yaml:7: a figure in A expected, found '16 V'"),
        (lambda: node(-3).as_number("A", least=0), "site.yaml:7: -3 A is out of range: at least 0 expected"),
        (lambda: node(True).as_number("A"), "site.yaml:7: a figure in A expected, found 'True'"),
        (lambda: node({"limt": node(1, 9)}).only("limit"), "site.yaml:9: unknown key 'limt' (did you mean 'limit'?)"),
        (lambda: node({}).need("id"), "site.yaml:7: 'id' is missing here"),
        (lambda: node([]).table(), "site.yaml:7: a table expected, found a list"),
        (lambda: node({"a": node(1)}).as_text(), "site.yaml:7: text expected, found a table"),
        (lambda: node({"k": node("q", 8)}).one_of("k", ["x"]), "site.yaml:8: k: 'q' is not known (known: x)"),
        (lambda: node({"k": node(True, 8)}).integer("k"), "site.yaml:8: a whole number expected, found true or false"),
    ],
)
def test_a_complaint_says_where_and_what(call, text):
    with pytest.raises(BadInput) as told:
        call()
    assert str(told.value) == text
