"""Journeys: the real processes (worker, simulator) against a scripted Central System on loopback.

`fixtures.py` (a plugin of tests/conftest.py) one station that several journeys share, or one of one's own ·
`story.py` what happened · `backend.py` the Central System · `station.py` the processes · `rig.py` both, with moves ·
`wire.py` and `ledger.py` the rules and promises every journey is judged by · `test_harness.py` sees each of them red.
"""
