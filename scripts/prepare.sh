#!/bin/sh
# Makes a checkout runnable: npm packages as package-lock.json says, then the bundle.
# Does nothing when both are up to date. Safe to run twice at once (flock) and to interrupt.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
say() { printf 'holdfast: %s\n' "$1" >&2; }

command -v npm >/dev/null 2>&1 || {
  say "npm is not installed. Holdfast needs Node.js 18 or newer with npm: https://nodejs.org/"
  exit 1
}
mkdir -p node_modules
exec 9>node_modules/.prepare.lock
flock 9

# npm writes .package-lock.json last, so an interrupted install is seen here and done again.
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ] ||
  [ ! -x node_modules/node/bin/node ]; then
  say "installing npm packages (once)"
  # `npm ci` empties node_modules; the lock stays held through the open file.
  npm ci --no-fund --no-audit --loglevel=error >&2
  touch node_modules/.package-lock.json
  [ -x node_modules/node/bin/node ] || {
    say "the npm package 'node' has no binary for this machine ($(uname -sm)), or its install script was blocked"
    exit 1
  }
fi
if [ ! -f dist/holdfast.cjs ] ||
  [ -n "$(find src blueprints examples scripts package-lock.json -newer dist/holdfast.cjs -type f -print -quit)" ]; then
  say "building"
  node_modules/node/bin/node scripts/build.ts
fi
