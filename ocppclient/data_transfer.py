"""DataTransfer from the backend (OCPP 1.6 section 4.3; conformance DT): this station agreed on no vendor messages."""

from __future__ import annotations

from ocppclient.codec import Payload
from ocppclient.events import Action, Explain


def data_transfer(request: Payload, actions: list[Action]) -> Payload:
    """DataTransfer.req: every vendor is unknown."""
    rule = f"This station knows no vendor {request['vendorId']!r}."
    actions.append(Explain("DataTransfer", "UnknownVendorId", rule, request["vendorId"], "DT-01"))
    return {"status": "UnknownVendorId"}
