"""DataTransfer from the backend (OCPP 1.6 section 4.3; conformance DT): this station agreed on no vendor messages."""

from __future__ import annotations

from ocppclient.codec import Payload
from ocppclient.events import Action, Explain
from ocppclient.sentence import Sentence


def data_transfer(request: Payload, actions: list[Action]) -> Payload:
    """DataTransfer.req: every vendor is unknown."""
    rule = Sentence("This station knows no vendor {vendor_id!r}.", vendor_id=request["vendorId"])
    actions.append(Explain("DataTransfer", "UnknownVendorId", rule, request["vendorId"], "DT-01"))
    return {"status": "UnknownVendorId"}
