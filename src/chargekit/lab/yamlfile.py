"""YAML files as `Located` trees: every value with its file and line. Safe tags only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from chargekit.lab.bundled import fleets_folder
from chargekit.model.located import BadInput, Located, Source

MOST_BYTES: Final = 4 << 20
MOST_NODES: Final = 200_000
DEEPEST: Final = 60
PLAIN: Final = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def shown(path: Path) -> str:
    """A path as people know it: from `fleets/`, or from where they are."""
    for base in (fleets_folder(), Path.cwd()):
        try:
            return str(path.resolve().relative_to(base.resolve()))
        except ValueError:
            continue
    return str(path)


def load(path: Path) -> Located:
    """The file's tree. BadInput if it can't be read, is no YAML, names a key twice, or is absurdly large."""
    name = shown(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(None, f"{name} can't be read: {error.strerror or error}") from None
    if len(raw) > MOST_BYTES:
        raise BadInput(None, f"{name} has {len(raw)} bytes", f"at most {MOST_BYTES} are read")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(Source(name, raw[: error.start].count(b"\n") + 1), "UTF-8 text expected", "save the file as UTF-8") from None
    return parse(text, name)


def parse(text: str, name: str) -> Located:
    """The tree of a YAML text; `name` stands in complaints."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise BadInput(Source(name, line), f"no YAML: {str(error).splitlines()[0]}") from None
    try:
        node = loader.get_single_node()
        if node is None:
            raise BadInput(Source(name, 1), "the file is empty")
        return _Builder(loader, name).build(node, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInput(Source(name, mark.line + 1 if mark else 1), f"no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadInput(Source(name, 1), f"no YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise BadInput(Source(name, 1), "nested too deeply") from None
    finally:
        loader.dispose()


class _Builder:
    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self.loader, self.name, self.count = loader, name, 0

    def build(self, node: yaml.Node, depth: int) -> Located:
        source = Source(self.name, node.start_mark.line + 1)
        self.count += 1
        if self.count > MOST_NODES or depth > DEEPEST:
            raise BadInput(source, "too many or too deeply nested values", "are there aliases of aliases?")
        if node.tag not in PLAIN and not isinstance(node, yaml.ScalarNode):
            raise BadInput(source, f"tag {node.tag} is not allowed")
        if isinstance(node, yaml.MappingNode):
            table: dict[str, Located] = {}
            for key_node, value_node in node.value:
                key = str(getattr(key_node, "value", ""))
                line = Source(self.name, key_node.start_mark.line + 1)
                if not isinstance(key_node, yaml.ScalarNode):
                    raise BadInput(line, "a key must be plain text")
                if key in table:
                    raise BadInput(line, f"key {key!r} stands here twice", f"first at line {table[key].source.line}")
                value = self.build(value_node, depth + 1)
                table[key] = Located(value.value, line)
            return Located(table, source)
        if isinstance(node, yaml.SequenceNode):
            return Located([self.build(child, depth + 1) for child in node.value], source)
        if not str(node.tag).startswith("tag:yaml.org,2002:") or str(node.tag).startswith("tag:yaml.org,2002:python"):
            raise BadInput(source, f"tag {node.tag} is not allowed")
        try:
            return Located(self.loader.construct_object(node), source)
        except ValueError as error:
            raise BadInput(source, f"value can't be read: {error}") from None
