# shellcheck shell=bash
# Finding a Python and keeping virtual environments, for the scripts beside this file.
# Sourced with the project's root as the working folder. Keeps to what bash 3.2 knows.

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$0: $*"
    exit 2
}

# What else is installed on this machine stays out of our environments.
unset PYTHONHOME PYTHONPATH

# suits PYTHON [OLDEST NEWEST]: true if PYTHON runs and is of a version between these two.
suits() {
    "$1" -c 'import sys
oldest, newest = (tuple(map(int, text.split("."))) for text in sys.argv[1:])
sys.exit(not oldest <= sys.version_info[:2] <= newest)' "${2:-3.10}" "${3:-3.13}" 2>/dev/null
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# find_version VERSION: prints a Python of that version, on PATH or among pyenv's, if there is one.
find_version() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if suits "$candidate" "$1" "$1"; then
            command -v "$candidate"
            return
        fi
    done
}

# find_python: prints the Python to use: $PYTHON, else python3, else the newest.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || die "PYTHON=$PYTHON is no Python from 3.10 to 3.13"
        command -v "$PYTHON"
        return
    fi
    if suits python3; then
        command -v python3
        return
    fi
    for candidate in 3.13 3.12 3.11 3.10; do
        candidate=$(find_version "$candidate")
        if [ -n "$candidate" ]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "found no Python from 3.10 to 3.13 (looked for python3 and python3.N on PATH);" \
        "install one, or name one: PYTHON=/path/to/python3 $0"
}

# make_environment FOLDER PYTHON: a virtual environment in FOLDER. One that is there is kept,
# unless it is broken, was moved, or is of another version than PYTHON.
make_environment() {
    local folder=$1 python home="$PWD/$1"
    # The interpreter under a virtual environment, which may be the very one to be made anew.
    python=$("$2" -c 'import sys; print(getattr(sys, "_base_executable", None) or sys.executable)')
    if [ "$(version_of "$folder/bin/python")" = "$(version_of "$python")" ] &&
        [ "$(cat "$folder/.made-at" 2>/dev/null)" = "$home" ] &&
        "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    if [ -e "$folder" ] && [ ! -e "$folder/pyvenv.cfg" ]; then
        die "$folder is in the way: it is no virtual environment"
    fi
    rm -rf "$folder"
    "$python" -m venv "$folder" >&2 ||
        die "'$python -m venv' failed (on Debian and Ubuntu it comes with the package python3-venv)"
    # Older pips cannot install a modern package in editable mode.
    quiet_pip "$folder" install 'pip>=23'
    printf '%s\n' "$home" >"$folder/.made-at"
}

quiet_pip() {
    local folder=$1 action=$2
    shift 2
    "$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$action" "$@" >&2
}

# install_into FOLDER WHAT...: pip install into the environment; done once for each state of the
# project's set-up files and, where WHAT is not editable, of the package's sources.
install_into() {
    local folder=$1 state stamp
    shift
    state=$("$folder/bin/python" - "$@" <<'PYTHON'
import hashlib, pathlib, sys

digest = hashlib.sha256(repr(sys.argv[1:]).encode())
files = [pathlib.Path(name) for name in ("setup.cfg", "setup.py", "pyproject.toml")]
if "--editable" not in sys.argv:
    files += sorted(
        path for path in pathlib.Path("migrator").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )
for path in files:
    digest.update(b"\0%s\0" % str(path).encode())
    digest.update(path.read_bytes())
print(hashlib.sha256(repr(sys.argv[1:]).encode()).hexdigest()[:12], digest.hexdigest())
PYTHON
    )
    stamp="$folder/.installed-${state%% *}"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
        return
    fi
    say "(installing $* into $folder; the first time takes some minutes)"
    rm -rf build/lib build/bdist.* # a removed module would be built in again
    rm -f "$stamp"
    quiet_pip "$folder" install "$@" || die "could not install $* into $folder"
    printf '%s\n' "$state" >"$stamp"
}
