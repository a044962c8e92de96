"""Read a YAML file into a pydantic model, with errors that name file, line and field."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from layers.errors import DefinitionError

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[int | str]


# libyaml parses the shipped definitions ten times as fast as the parser in Python.
_FastestLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_FastestLoader):  # type: ignore[valid-type, misc]
    """A safe loader that refuses a key given twice and leaves dates, yes and no as text."""


def _mapping_without_duplicates(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.value in seen:
            line = key_node.start_mark.line + 1
            raise yaml.MarkedYAMLError(
                problem=f"key '{key_node.value}' is given twice (line {line})",
                problem_mark=key_node.start_mark,
            )
        seen.add(key_node.value)
    mapping: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return mapping


_StrictLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates
)


def _is_plain(first: str, tag: str) -> bool:
    """Tell whether plain text that begins so may be of that type.

    A column may be called NO, ON or Y: only ``true`` and ``false`` are booleans, as in YAML 1.2.
    """
    kind = tag.rpartition(":")[2]
    return kind != "timestamp" and not (kind == "bool" and first in "yYnNoO")


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if _is_plain(first, tag)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_model(path: Path, model: type[Model]) -> Model:
    """Read ``path`` as YAML and check it against ``model``.

    Args:
        path: The YAML file.
        model: The pydantic model the document must satisfy.

    Returns:
        The checked model.

    Raises:
        DefinitionError: If the file cannot be read, is not YAML, or does not satisfy the model.
            The message has one line a fault: ``file:line: field: what is wrong``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path}: cannot be read: {error}") from error
    try:
        loader = _StrictLoader(text)
        try:
            node = loader.get_single_node()
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise DefinitionError(f"{path}:{line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise DefinitionError(f"{path}: is not YAML: {error}") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [
            f"{path}:{_line_of(node, fault['loc'])}: "
            f"{'.'.join(str(part) for part in fault['loc']) or 'document'}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise DefinitionError("\n".join(faults)) from error


def line_of(path: Path, location: Location) -> int:
    """Return the 1-based line of a YAML file in which a value stands; 1 if it cannot be told.

    Args:
        path: The file.
        location: The keys and places that lead to the value.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return 1
    return _line_of(node, location)


def _line_of(node: yaml.Node | None, location: Location) -> int:
    """Return the 1-based line of the deepest node on ``location`` that the file has."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(part):
                    line, child = key_node.start_mark.line + 1, value_node
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part < len(node.value):
                child = node.value[part]
                line = child.start_mark.line + 1
        if child is None:
            break
        node = child
    return line
