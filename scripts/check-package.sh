#!/usr/bin/env bash
# Packs the project and judges the tarball as its users will see it.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The caller has built; `prepare` would build once more.
npm pack --ignore-scripts --silent --pack-destination "$tmp" > "$tmp/name"
tarball="$tmp/$(cat "$tmp/name")"

publint run --strict "$tarball"
attw --profile esm-only "$tarball" > "$tmp/attw" || {
  cat "$tmp/attw"
  exit 1
}
