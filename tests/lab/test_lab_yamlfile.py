from pathlib import Path

import pytest

from chargekit.lab.yamlfile import MOST_BYTES, load, parse
from chargekit.model.located import BadInput


def test_every_value_knows_its_line():
    tree = parse("site: x\ncircuits:\n  grid: {limit: 100 A}\nlist:\n  - a\n  - b\n", "f.yaml")
    assert str(tree.need("site").source) == "f.yaml:1"
    assert str(tree.need("circuits").need("grid").need("limit").source) == "f.yaml:3"
    assert [str(one.source) for one in tree.list("list")] == ["f.yaml:5", "f.yaml:6"]


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{n}: &{n} [{','.join(['*' + p] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=False)
)

REFUSED = [
    ("", "f.yaml:1: the file is empty"),
    ("a: 1\nb: 2\na: 3\n", "f.yaml:3: key 'a' stands here twice"),
    ("a:\n\t- 1\n", "f.yaml:2: no YAML: found character '\\t' that cannot start any token"),
    ("a: [1, 2\n", "f.yaml:2: no YAML: expected ',' or ']', but got '<stream end>'"),
    ("a: !!python/object:os.system x\n", "f.yaml:1: tag tag:yaml.org,2002:python/object:os.system is not allowed"),
    ("a: !mine x\n", "f.yaml:1: tag !mine is not allowed"),
    ("? [a]\n: 1\n", "f.yaml:1: a key must be plain text"),
    ("a: 2026-99-99\n", "f.yaml:1: value can't be read: month must be in 1..12"),
    ("a: 1\n---\nb: 2\n", "f.yaml:2: no YAML: but found another document"),
    ("a: *nobody\n", "f.yaml:1: no YAML: found undefined alias 'nobody'"),
    ("a: \x00\n", "f.yaml:1: no YAML: unacceptable character #x0000: special characters are not allowed"),
    (BOMB, "too many or too deeply nested values"),
    ("a: &a [*a]\n", "f.yaml:1: too many or too deeply nested values"),
    ("[" * 5000, "f.yaml:1: "),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_what_is_no_plain_yaml_is_refused_with_its_line(text: str, message: str):
    with pytest.raises(BadInput) as caught:
        parse(text, "f.yaml")
    assert message in str(caught.value)


def test_a_file_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "none.yaml")
    assert str(caught.value) == "none.yaml can't be read: No such file or directory"
    with pytest.raises(BadInput) as caught:
        load(tmp_path)
    assert "can't be read: Is a directory" in str(caught.value)
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "latin.yaml")
    assert "latin.yaml:2: UTF-8 text expected" in str(caught.value)
    (tmp_path / "big.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "big.yaml")
    assert f"big.yaml has {MOST_BYTES + 1} bytes" in str(caught.value)
