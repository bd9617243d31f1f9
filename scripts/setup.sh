#!/bin/sh
# Make the virtual environment and install the project, pinned by constraints.txt, bytecode compiled.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"
unset PYTHONDONTWRITEBYTECODE

"$PYTHON" - <<'CHECK'
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"Python 3.11 to 3.13 is needed, and this is {sys.version.split()[0]}. "
             "Name another one: make setup PYTHON=python3.12")
CHECK

if [ ! -x "$VENV/bin/python" ]; then
    echo "Making $VENV ..."
    "$PYTHON" -m venv "$VENV" || {
        echo "The venv module of $PYTHON is missing; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
fi
echo "Installing autoflow-dagster (a few minutes the first time) ..."
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --compile \
    --constraint constraints.txt --editable ".[dev]"
"$VENV/bin/python" -m compileall -q autoflow_dagster
