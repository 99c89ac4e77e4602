"""Conformance: the cases of the certification tool (OCTT) that apply to this station, against its real processes.

One test a case, its id in the test's name; the docstring names the rows of docs/checklist.md that it proves. The files
follow the groups of the tool; one station serves all cases of a file (fixture `rig` of tests/journeys/fixtures.py) and
is idle, factory-configured and without list, cache, profiles or reservation when a case begins.
"""
