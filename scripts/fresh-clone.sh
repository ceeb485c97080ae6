#!/usr/bin/env bash
# Runs the two lines of the README in a fresh clone of the last commit, with an empty HOME and npm cache: what a newcomer
# gets. The first runs the main job, here twice: the same id, and a higher token.
set -euo pipefail
cd "$(dirname "$0")/.."

main_job=$(grep --max-count=1 '^npm ci && npx namehold run' README.md)
tests=$(grep --max-count=1 '^npm ci && npm test' README.md)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone --quiet . "$scratch/namehold"
mkdir "$scratch/home"
cd "$scratch/namehold"

# What npm and the shell that started this know must not help.
newcomer() { env --ignore-environment HOME="$scratch/home" PATH="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" TERM=dumb bash -c "$1"; }

said() { sed -nE 's/.*liquidhandler_1 is ([0-9A-Z]{26}), token ([0-9]+).*/\1 \2/p'; }

read -r first_id first_token < <(newcomer "$main_job" | said)
read -r second_id second_token < <(newcomer "$main_job" | said)
echo "first  $first_id $first_token"
echo "second $second_id $second_token"
[[ $first_id == "$second_id" && $second_token -gt $first_token ]]

newcomer "$tests"
