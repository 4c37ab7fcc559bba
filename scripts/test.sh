#!/bin/sh
# Every test: types, lint and format, unit, simulation and golden, the load generator against the truth,
# then the lab with real machines.
# The lab needs root. Without it the run says so; where CI=true it then fails, since half was not tested.
set -eu
cd "$(dirname "$0")/.."
./scripts/prepare.sh
export PATH="$PWD/node_modules/.bin:$PATH"

npm run --silent check
vitest run --project unit --project sim
vitest run --project load

if [ "$(id -u)" -eq 0 ]; then
  ./holdfast doctor >/dev/null || ./holdfast doctor --install --yes
  vitest run --project lab
else
  echo "NOT RUN: the lab tests need root. Run them with: sudo npm test" >&2
  [ "${CI:-}" != true ] || exit 1
fi
