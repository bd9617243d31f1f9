"""Names of the jobs that run the configs: stable, readable and valid for Dagster.

A name decides which history belongs to a config, so it does not depend on the config's position.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from autoflow_dagster.naming import dagster_name
from autoflow_dagster.parser.schema import ConfigModel

_LONGEST_SUFFIX = 60


def job_names(configs: Mapping[int, ConfigModel]) -> dict[int, str]:
    """Return the name of each config's job.

    A config's own name, else the workflow's name made valid for Dagster. Of several configs of a
    workflow without a name, the first keeps the workflow's; the later ones add what distinguishes
    them from the first: the values of parameters that differ, else the CDR types or `every`. When
    that is not readable, or taken by an earlier config, eight hexadecimal digits of a hash of the
    config follow.

    Names can still collide, for the caller to refuse.
    """
    names: dict[int, str] = {}
    first: dict[str, ConfigModel] = {}
    taken: set[str] = set()
    for index, config in configs.items():
        if config.name is not None:
            names[index] = config.name
            continue
        name = dagster_name(config.workflow_name)
        if config.workflow_name in first:
            suffix = _suffix(first[config.workflow_name], config)
            name = f"{name}_{suffix or _digest(config)}"
            if suffix and name in taken:
                name = f"{name}_{_digest(config)}"
            taken.add(name)
        first.setdefault(config.workflow_name, config)
        names[index] = name
    return names


def content(config: ConfigModel) -> str:
    """Return everything a config says, but for its name and description, in a canonical form."""
    given = config.model_fields_set - {"name", "description"}
    return _canonical({key: getattr(config, key) for key in given})


def _digest(config: ConfigModel) -> str:
    return hashlib.md5(content(config).encode(), usedforsecurity=False).hexdigest()[:8]


def _canonical(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except TypeError:  # keys that cannot be sorted: refused elsewhere
        return repr(value)


def _suffix(first: ConfigModel, config: ConfigModel) -> str:
    """Return in words what distinguishes a config from the first one; empty when it cannot."""
    differing = {
        key: value
        for key, value in config.parameters.items()
        if key not in first.parameters or _canonical(first.parameters[key]) != _canonical(value)
    }
    if differing:
        parts = [_words(key, value) for key, value in differing.items()]
    elif config.cdr_types != first.cdr_types:
        parts = list(config.cdr_types or ["all_cdr_types"])
    elif config.every != first.every:
        parts = [config.every.value]
    else:
        parts = []
    suffix = "_".join(parts)
    return suffix if all(parts) and len(suffix) <= _LONGEST_SUFFIX else ""


def _words(key: str, value: Any) -> str:
    """Return a parameter's value as part of a name; empty when it would not be readable."""
    match value:
        case str():
            text = dagster_name(value).strip("_")
        case bool() | int() | float():
            text = dagster_name(f"{key}_{str(value).lower()}")
        case date():
            text = dagster_name(str(value))
        case list() if value and all(isinstance(item, str | date) for item in value):
            text = "_".join(_words(key, item) for item in value)
        case _:
            text = ""
    return text if any(character.isalnum() for character in text) else ""
