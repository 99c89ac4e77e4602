"""DataTransfer from the backend."""

from __future__ import annotations

import pytest

from tests.ocppclient.harness import Bench


@pytest.mark.parametrize("fields", [{}, {"messageId": "m"}, {"messageId": "m", "data": "x" * 100_000}])
def test_every_vendor_is_unknown_and_no_data_comes_back(fields):
    """DT-01, T:TC_062"""
    bench = Bench().ready()
    assert bench.call("DataTransfer", vendorId="com.example", **fields) == [3, "cs-1", {"status": "UnknownVendorId"}]
    assert bench.clauses() == ["DT-01"]


def test_the_security_profile_cannot_be_changed_this_way():
    """DT-03"""
    bench = Bench().ready()
    before = bench.store.values("")
    bench.call("DataTransfer", vendorId="org.openchargealliance", messageId="SecurityProfile", data="0")
    assert bench.store.values("") == before
