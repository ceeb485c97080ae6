#!/usr/bin/env bash
# Makes what the interop tests need: the real madsci-common of two versions, and the filelock versions that differ in
# what they do to the lock file. One full venv a madsci version; each filelock alone in a directory that PYTHONPATH puts
# first (a venv for each would cost a minute and 250 MB). Quick when all is there. Prints the directory.
#
#   test/interop/setup.sh            into .cache/interop, or $NAMEHOLD_INTEROP_HOME
#   PYTHON=python3.12 test/interop/setup.sh
set -euo pipefail

# On release: up to 3.20.3 the lock file is kept, 3.20.4 to 3.29.4 delete it (3.25.0 is what MADSci's lock file pins), from
# 3.29.5 it is kept again. Only 3.20.4 and newer notice that the file they locked was deleted meanwhile.
# madsci-common 0.7.1 imports filelock without declaring it, so it always needs one of these.
MADSCI_VERSIONS=(0.8.1 0.7.1)
FILELOCK_VERSIONS=(3.20.3 3.25.0 3.29.4 4.2.12)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=${NAMEHOLD_INTEROP_HOME:-$root/.cache/interop}
python=${PYTHON:-python3}
stamp=$home/.complete
wanted="madsci ${MADSCI_VERSIONS[*]} filelock ${FILELOCK_VERSIONS[*]}"

fail() {
  echo "interop setup: $1" >&2
  exit 1
}

if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
  echo "$home"
  exit 0
fi

command -v "$python" >/dev/null || fail "no $python. Install it: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "$("$python" --version) is too old: madsci-common needs Python 3.10 or newer (set PYTHON=...)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "the venv module is missing. Install it: apt-get install python3-venv"

mkdir -p "$home"
echo '*' >"$home/.gitignore"
# Two test runs may start at once: the second waits and then finds all in place.
exec 9>"$home/.setup-lock"
if command -v flock >/dev/null; then flock 9; fi
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
  echo "$home"
  exit 0
fi

pip_quiet=(-m pip --disable-pip-version-check --quiet --no-input install)

for version in "${MADSCI_VERSIONS[@]}"; do
  venv=$home/madsci-$version
  if [[ -f $venv/.complete ]]; then continue; fi
  echo "interop setup: madsci-common $version" >&2
  rm -rf "$venv"
  "$python" -m venv "$venv" >&2 || fail "could not make a venv in $venv. Is python3-venv installed?"
  "$venv/bin/python" "${pip_quiet[@]}" "madsci-common==$version" >&2 ||
    fail "pip could not install madsci-common $version: is PyPI reachable?"
  touch "$venv/.complete"
done

for version in "${FILELOCK_VERSIONS[@]}"; do
  target=$home/filelock-$version
  if [[ -f $target/.complete ]]; then continue; fi
  echo "interop setup: filelock $version" >&2
  rm -rf "$target"
  "$home/madsci-${MADSCI_VERSIONS[0]}/bin/python" "${pip_quiet[@]}" --no-deps --target "$target" "filelock==$version" >&2 ||
    fail "pip could not install filelock $version: is PyPI reachable?"
  touch "$target/.complete"
done

echo "$wanted" >"$stamp"
echo "$home"
