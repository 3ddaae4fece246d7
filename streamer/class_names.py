"""The name of a class, also where a label map has a hole."""

from __future__ import annotations

from collections.abc import Mapping


def class_name(labels: Mapping[int, str], class_id: int) -> str:
    """The label of a class id, or ``class 7`` where the label map has none."""
    return labels.get(class_id, f"class {class_id}")
