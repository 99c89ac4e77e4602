"""Conformance: the cases of the certification tool (OCTT) that apply to this station, against its real processes.

One test a case, its id in the test's name and in `[cases]` of docs/checklist.toml; the docstring names the rows of
docs/checklist.md that it proves. The files follow the groups of the tool. One station serves all cases of a file
(fixture `rig` of tests/journeys/fixtures.py); it is idle, as the factory configured it, and without list, cache,
profiles or reservation when a case begins: `Rig.settle` takes back what the backend did.
"""
