#!/usr/bin/env bash
# Make the virtual environment and install a requirements file into it: make_venv.sh PYTHON VENV REQUIREMENTS
set -euo pipefail
python=$1 venv=$2 requirements=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "The station needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1). Use: make … PYTHON=/path/to/python3.11" >&2
    exit 1
}
# Debian's own python3 comes without venv and pip.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing Debian package $package (python3 comes without venv) …"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
    else
        echo "Python's venv module is missing. Install it with:  sudo apt-get install $package" >&2
        exit 1
    fi
fi
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    echo "Making $venv …"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
echo "Installing $requirements into $venv …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
