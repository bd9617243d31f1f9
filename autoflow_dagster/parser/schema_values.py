"""The values of `workflows.yml`: how each kind is read, refused and described to editors.

Each type here turns a YAML value into what the package works with, or says what to write instead.
Which key takes which type is for `schema` to say.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from autoflow_dagster.check_schedule import next_check
from autoflow_dagster.dates.date_stencil import DateStencil, InvalidDateStencilError
from autoflow_dagster.dates.stencil_elements import parse_iso_date
from autoflow_dagster.naming import dagster_name
from autoflow_dagster.parser import durations
from autoflow_dagster.parser.problems import Path, did_you_mean, listed, sentences
from autoflow_dagster.workflows import CDR_TYPES, Every, ReportFormat

NAME_PATTERN = r"^[A-Za-z0-9_]+$"
OWNER_PATTERN = r"^(team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
TAG_KEY_PATTERN = r"^([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}$"
TAG_VALUE_PATTERN = r"^[A-Za-z0-9_.-]{0,63}$"
_CRON_VALUES = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_RESERVED_TAGS = ("dagster/", "autoflow/")

_ISO_DATE_SCHEMA = {"type": "string", "pattern": r"^\d{4}-\d{1,2}-\d{1,2}$"}
_OFFSET_SCHEMA = {"type": "string", "pattern": r"^\s*[+-]?\d{1,9}\s+(day|week|month|year)s?\s*$"}
_ENDPOINTS: list[dict[str, Any]] = [{"type": "integer"}, _ISO_DATE_SCHEMA, _OFFSET_SCHEMA]
_STENCIL_SCHEMA: dict[str, Any] = {
    "type": "array",
    "items": {
        "anyOf": [
            *_ENDPOINTS,
            {"type": "array", "items": {"anyOf": _ENDPOINTS}, "minItems": 2, "maxItems": 2},
        ]
    },
}
_DURATION_SCHEMA = {"type": "string", "pattern": durations.PATTERN}


def _refuse(problem: str, hint: str = "") -> NoReturn:
    """Fail validation; ``{value}`` in the problem becomes the value as written."""
    _refuse_all([((), problem, hint)])


def _refuse_all(problems: list[tuple[Path, str, str]]) -> NoReturn:
    raise PydanticCustomError("autoflow", "not valid", {"problems": problems})


def _read_date(value: object) -> date:
    if isinstance(value, datetime):
        _refuse("{value} is a time, not a date.", f"Write {value.date()}.")
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return parse_iso_date(value)
        except ValueError:
            pass
    _refuse("{value} is not a date.", "Write year, month and day, such as 2016-01-31.")


def _read_duration(value: object) -> timedelta:
    if not isinstance(value, str):
        _refuse("{value} is not a length of time.", "Add a unit: s, min, h or d, such as 2h.")
    try:
        return durations.parse_duration(value)
    except ValueError as error:
        _refuse("{value} is not a length of time.", str(error))


def _read_gap(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 36525:
        _refuse("{value} is not a number of days.", "Write a whole number from 0, such as 6.")
    return timedelta(days=value)


def _read_share(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)\s*%?", str(value), re.ASCII)
    if percent and 2 <= float(percent[1]) <= 100:
        hint = f"Write {float(percent[1]) / 100:g} for {percent[1]}%."
    else:
        hint = "Write a number from 0 to 1, such as 0.6."
    _refuse("{value} is not a share.", hint)


def _read_attempts(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        _refuse("{value} is not a number of attempts.", "Write a whole number from 1, such as 3.")
    return value


def _read_stencil(value: object) -> DateStencil:
    try:
        return DateStencil.parse(value)
    except InvalidDateStencilError as error:
        _refuse_all([(p.path, p.problem, p.hint) for p in error.problems])


def _read_every(value: object) -> Every:
    if isinstance(value, str) and value in tuple(Every):
        return Every(value)
    known = ", ".join(Every)
    _refuse("{value} is not one of: " + known + ".", did_you_mean(str(value), Every))


def _read_cron(value: object) -> str:
    if not isinstance(value, str):
        _refuse(
            "{value} is not text.",
            'Write a cron string, such as "0 0 * * *" for midnight, or null to check once.',
        )
    if not is_cron(value):
        _refuse(
            "{value} is not a cron string.",
            "Write minute, hour, day of month, month and day of week (and, if wanted, second): "
            '"0 0 * * *" is every midnight.',
        )
    if not _ever_occurs(value):
        _refuse(
            "{value} never occurs: no such month has that day.",
            "The third field is the day of the month, the fourth the month.",
        )
    return value


def is_cron(text: str) -> bool:
    """Return whether AutoFlow would take a text for a cron string.

    Examples
    --------
    >>> is_cron("0 0 * * *"), is_cron("*/5 * * * mon-fri"), is_cron("0 24 * * *")
    (True, True, False)
    """
    fields = text.split()
    if len(fields) == len(_CRON_VALUES) and all(map(_is_plain, fields, _CRON_VALUES)):
        return True  # without croniter, whose import every run would pay for
    from croniter import croniter

    # croniter has a seventh field (years), which AutoFlow refused.
    return bool(croniter.is_valid(text)) and len(fields) <= 6


def _ever_occurs(cron: str) -> bool:
    if "*" in cron.split()[2:4] or cron.startswith("@"):
        return True  # without croniter, as above
    return next_check(cron, "UTC", datetime(2000, 1, 1, tzinfo=UTC)) is not None


def _is_plain(field: str, values: range) -> bool:
    is_number = field.isascii() and field.isdecimal() and len(field) <= 2
    return field == "*" or (is_number and int(field) in values)


def _read_timezone(value: object) -> str:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
        else:
            return value
    from zoneinfo import available_timezones

    close = did_you_mean(str(value), available_timezones())
    hint = sentences(close, 'Write an IANA name, such as "Africa/Accra", or leave the key out.')
    _refuse("{value} is not a time zone.", hint)


def _read_cdr_types(value: object) -> tuple[str, ...]:
    allowed = listed(CDR_TYPES)
    if not isinstance(value, list):
        _refuse("{value} is not a list.", 'Write a list, such as ["calls", "sms"].')
    if not value:
        _refuse(
            "The list is empty.", f"Leave the key out for all types, or name some of {allowed}."
        )
    problems: list[tuple[Path, str, str]] = []
    for index, name in enumerate(value):
        if name not in CDR_TYPES:
            hint = did_you_mean(name, CDR_TYPES) if isinstance(name, str) else ""
            problem = "{value} is not a CDR type; these are: " + ", ".join(CDR_TYPES) + "."
            problems.append(((index,), problem, hint))
    if problems:
        _refuse_all(problems)
    return tuple(dict.fromkeys(value))


def _read_formats(value: object) -> tuple[ReportFormat, ...]:
    formats = value if isinstance(value, list) else [value]
    if not formats:
        _refuse("The list is empty.", "Write pdf, html, or [pdf, html]; or leave out output.")
    known: list[ReportFormat] = []
    for name in formats:
        if name == "pdf" or name == "html":
            known.append(name)
        else:
            hint = did_you_mean(name, ["pdf", "html"]) if isinstance(name, str) else ""
            _refuse("{value} is not one of: pdf, html, or a list of these.", hint)
    return tuple(dict.fromkeys(known))


def _read_template(value: object) -> str | dict[ReportFormat, str]:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        names = dict(value)
        if names and all(k in ("pdf", "html") and isinstance(v, str) for k, v in names.items()):
            return names
    _refuse(
        "{value} is not the name of a template.",
        "Write a file name, or one for each format: {pdf: report.tpl, html: page.j2}.",
    )


def _read_notebook_filename(value: object) -> str:
    if not isinstance(value, str):
        _refuse("{value} is not text.", "Write the name of a notebook in the inputs directory.")
    if not value.endswith(".ipynb"):
        _refuse("{value} is not a Jupyter notebook.", "Write a file name that ends in .ipynb.")
    return value


def _read_name(value: object) -> str:
    if not isinstance(value, str):
        _refuse("{value} is not text.", "Put the name in quotes.")
    if not value.strip():
        _refuse("The name is empty.", "Write a name.")
    return value


def _read_job_name(value: object) -> str:
    name = _read_name(value)
    if not re.fullmatch(NAME_PATTERN, name, re.ASCII):
        hint = f'Use letters, digits and _ only, such as "{dagster_name(name)}".'
        _refuse("{value} is not a job name.", hint)
    return name


def _read_source(value: object) -> str:
    """Return the name of what a notebook's parameter is taken from."""
    if isinstance(value, str) and value:
        return value
    _refuse(
        "{value} is not a name. The value of a notebook's parameter is the name of a workflow "
        "parameter, of another notebook, or of an automatic parameter.",
        "To pass {value} itself, write `{key}: {key}` here and `{key}: {value}` under the "
        "parameters of the config.",
    )


def _read_owner(value: object) -> str:
    if isinstance(value, str) and re.match(OWNER_PATTERN, value, re.ASCII):
        return value
    _refuse("{value} is not an owner.", "Write an e-mail address, or team: and a name.")


def _read_tags(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        _refuse("{value} is not a mapping.", "Write keys and values, such as {country: ghana}.")
    problems: list[tuple[Path, str, str]] = []
    for key, text in value.items():
        if not re.match(TAG_KEY_PATTERN, key, re.ASCII):
            hint = "Use at most 63 letters, digits, _, - and . in its name."
            problems.append(((key,), f'"{key}" is not the name of a tag.', hint))
        elif key.startswith(_RESERVED_TAGS):
            hint = "Choose another name."
            problems.append(((key,), f'Tags that begin as "{key}" does are reserved.', hint))
        elif not isinstance(text, str) or not re.match(TAG_VALUE_PATTERN, text, re.ASCII):
            hint = "Use at most 63 letters, digits, _, - and .; put numbers in quotes."
            problems.append(((key,), "{value} is not the value of a tag.", hint))
    if problems:
        _refuse_all(problems)
    return dict(value)


Name = Annotated[
    str, PlainValidator(_read_name), WithJsonSchema({"type": "string", "minLength": 1})
]
JobName = Annotated[
    str,
    PlainValidator(_read_job_name),
    WithJsonSchema({"type": "string", "pattern": NAME_PATTERN}),
]
Filename = Annotated[
    str,
    PlainValidator(_read_notebook_filename),
    WithJsonSchema({"type": "string", "pattern": r"\.ipynb$"}),
]
Source = Annotated[
    str, PlainValidator(_read_source), WithJsonSchema({"type": "string", "minLength": 1})
]
Owner = Annotated[
    str,
    PlainValidator(_read_owner),
    WithJsonSchema({"type": "string", "pattern": OWNER_PATTERN}),
]
Tags = Annotated[
    dict[str, str],
    PlainValidator(_read_tags),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": TAG_KEY_PATTERN},
            "additionalProperties": {"type": "string", "pattern": TAG_VALUE_PATTERN},
        }
    ),
]
Date = Annotated[date, PlainValidator(_read_date), WithJsonSchema(_ISO_DATE_SCHEMA)]
Duration = Annotated[timedelta, PlainValidator(_read_duration), WithJsonSchema(_DURATION_SCHEMA)]
Gap = Annotated[
    timedelta, PlainValidator(_read_gap), WithJsonSchema({"type": "integer", "minimum": 0})
]
Share = Annotated[
    float,
    PlainValidator(_read_share),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
Attempts = Annotated[
    int, PlainValidator(_read_attempts), WithJsonSchema({"type": "integer", "minimum": 1})
]
Stencil = Annotated[DateStencil, PlainValidator(_read_stencil), WithJsonSchema(_STENCIL_SCHEMA)]
EveryKey = Annotated[
    Every, PlainValidator(_read_every), WithJsonSchema({"enum": [str(every) for every in Every]})
]
Cron = Annotated[str, PlainValidator(_read_cron), WithJsonSchema({"type": "string"})]
Timezone = Annotated[str, PlainValidator(_read_timezone), WithJsonSchema({"type": "string"})]
CdrTypes = Annotated[
    tuple[str, ...],
    PlainValidator(_read_cdr_types),
    WithJsonSchema({"type": "array", "minItems": 1, "items": {"enum": list(CDR_TYPES)}}),
]
Formats = Annotated[
    tuple[ReportFormat, ...],
    PlainValidator(_read_formats),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["pdf", "html"]},
                {"type": "array", "minItems": 1, "items": {"enum": ["pdf", "html"]}},
            ]
        }
    ),
]
Template = Annotated[
    str | dict[ReportFormat, str],
    PlainValidator(_read_template),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "minProperties": 1,
                    "properties": {"pdf": {"type": "string"}, "html": {"type": "string"}},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
