#!/bin/sh
# Makes the virtual environment of this checkout and installs the pinned dependencies; does nothing when that was done.
# Environment: PYTHON (which Python; default: the first supported one), TORCH_INDEX (where pip finds torch).
set -eu
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/installed

fail() {
    echo "tailor: $1" >&2
    exit 1
}

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no python3")
    fail "needs Python 3.11, 3.12 or 3.13 and found ${PYTHON:-$found}; install one, or name it: make PYTHON=/path/to/python3.12"
}

# What an installation depends on: a moved checkout has a broken environment, since its scripts hold absolute paths.
wanted() {
    { pwd; cat pyproject.toml client/pyproject.toml constraints.txt scripts/install.sh; echo "${TORCH_INDEX:-}"; } | cksum
}

if [ -f "$stamp" ] && is_supported $venv/bin/python && [ "$(cat "$stamp")" = "$(wanted)" ]; then
    exit 0
fi

if ! is_supported $venv/bin/python; then
    python=$(find_python) || exit 1
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module; on Debian or Ubuntu: apt install python3-venv"
    echo "tailor: making $venv with $("$python" --version)"
    "$python" -m venv --clear $venv || fail "$python could not make a virtual environment in $venv"
fi
$venv/bin/python -m pip --version >/dev/null 2>&1 || fail "$venv has no pip; delete $venv and try again"

if [ "$(uname -s)" = Linux ] && [ -z "${TORCH_INDEX:-}" ]; then
    echo "tailor: on Linux, PyPI's torch brings several GB of CUDA; without a GPU better use"
    echo "        make ... TORCH_INDEX=URL, with the URL of PyTorch's index of CPU builds (about 200 MB; see pytorch.org)"
fi
# torch first and by itself: a build from TORCH_INDEX (2.13.0+cpu) goes before PyPI's and the rest then leaves it alone.
$venv/bin/python -m pip install --quiet -c constraints.txt torch==2.13.0 ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} ||
    fail "pip could not install torch (see above)"
$venv/bin/python -m pip install --quiet -c constraints.txt -e ./client -e '.[worker,embedded,dev]' ||
    fail "pip could not install the dependencies (see above)"
wanted >"$stamp"
