#!/usr/bin/env bash
# System packages that tests need: Chromium, for the tests in a real browser. Does nothing where it is installed.
set -euo pipefail
if command -v chromium >/dev/null || [ -n "${EQUANT_CHROMIUM:-}" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "install-system: install Chromium and set EQUANT_CHROMIUM to its path" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo="sudo"; fi
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium
