#!/usr/bin/env bash
# System packages that tests need: Chromium, for the tests in a real browser; strace, for what a command must not do; Redis and
# PostgreSQL, which the tests of queues start by themselves.
# Does nothing where they are installed.
set -euo pipefail
missing=()
if ! command -v chromium >/dev/null && [ -z "${EQUANT_CHROMIUM:-}" ]; then missing+=(chromium); fi
if [ "$(uname)" = Linux ] && ! command -v strace >/dev/null; then missing+=(strace); fi
if ! command -v redis-server >/dev/null; then missing+=(redis-server); fi
if ! command -v initdb >/dev/null && ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then missing+=(postgresql); fi
if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "install-system: install ${missing[*]}; EQUANT_CHROMIUM is the path of a browser elsewhere" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo="sudo"; fi
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
