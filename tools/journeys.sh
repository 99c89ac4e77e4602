#!/usr/bin/env bash
# All journeys, five at a time (they wait more than they work). What failed is tried once more, one at a time: five real
# stations on two cores can starve each other past a deadline that a station of its own keeps. Both verdicts are
# printed; a second failure is final.
set -u
python=$1
folders=(tests/browser tests/conformance tests/journeys) # tests/journeys/fixtures.py refuses journeys elsewhere
"$python" -m pytest -n 5 --dist loadfile --no-loadscope-reorder -m journey "${folders[@]}" && exit 0
code=$?
[ "$code" -eq 1 ] || exit "$code" # not failed tests, but a broken run
echo "--- The journeys that failed, once more and one at a time (a pass here names a flaky test: see above)"
exec "$python" -m pytest -m journey --maxfail 3 --last-failed --last-failed-no-failures none "${folders[@]}"
