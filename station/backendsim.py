"""A small honest loopback Central System (OCPP 1.6-J), to see the station work: `manage.py backendsim`.

Everything lives in memory; frames are checked with the schemas of the `ocpp` package. No Django, no data folder.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ocpp.exceptions import OCPPError
from ocpp.messages import Call, validate_payload
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Payload = dict[str, Any]

MAX_MESSAGE_BYTES = 16 * 2**20
ANSWER_S = 30.0
HELP = """GET /state                      what is known of the stations and their transactions
GET /remote-start?id_tag=TAG    RemoteStartTransaction
GET /remote-stop                RemoteStopTransaction of the running transaction
GET /reset?type=Soft|Hard       Reset
GET /call?action=A&payload=JSON any other request
"""


@dataclass
class Transaction:
    """A charging transaction as the backend knows it; Wh."""

    transaction_id: int
    id_tag: str
    meter_start: int
    started_at: str
    meter_stop: int | None = None
    reason: str = ""


@dataclass
class ChargePoint:
    """One station as the backend knows it."""

    identity: str
    link: ServerConnection | None = None
    boot: Payload = field(default_factory=dict)
    status: dict[int, str] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    @property
    def running(self) -> Transaction | None:
        """The transaction that has no end yet."""
        return next((t for t in reversed(self.transactions) if t.meter_stop is None), None)


class CallFailure(Exception):
    """Becomes a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class CentralSystem:
    """Answers stations and tells their story.

    Args:
        say: takes one plain line.
        interval_s: heartbeat interval that BootNotification.conf gives.
        rejected: idTags that are Invalid; compared without case.
        parents: idTag → parentIdTag.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        interval_s: int = 300,
        rejected: frozenset[str] = frozenset(),
        parents: Mapping[str, str] | None = None,
    ) -> None:
        self._say = say
        self._interval_s = interval_s
        self._rejected = {tag.casefold() for tag in rejected}
        self._parents = {tag.casefold(): parent for tag, parent in (parents or {}).items()}
        self._last_id = 0
        self.stations: dict[str, ChargePoint] = {}

    # --- websocket -----------------------------------------------------------------------------------------------

    async def connection(self, link: ServerConnection) -> None:
        """One station's session."""
        assert link.request is not None
        identity = unquote(urlsplit(link.request.path).path.rpartition("/")[2])
        station = self.stations.setdefault(identity, ChargePoint(identity))
        former, station.link = station.link, link
        user = _user(link.request.headers.get("Authorization", ""))
        self._tell(identity, f"is connected{f' as user {user}' if user else ''}")
        if former is not None:
            await former.close(1008, "the same station connected again")
        try:
            async for frame in link:
                await self._receive(station, link, frame if isinstance(frame, str) else frame.decode(errors="replace"))
        except ConnectionClosed:
            pass
        finally:
            if station.link is link:
                station.link = None
                self._tell(identity, f"is gone ({link.close_code} {link.close_reason or ''}".rstrip() + ")")

    async def _receive(self, station: ChargePoint, link: ServerConnection, text: str) -> None:
        try:
            frame = json.loads(text)
            kind, message_id = frame[0], frame[1]
            if not isinstance(message_id, str):
                raise TypeError
        except (ValueError, TypeError, LookupError, RecursionError):
            self._tell(station.identity, f"sent something that is not OCPP: {text[:100]}")
            return
        if kind == 2 and len(frame) == 4:
            await link.send(json.dumps(await self._answer(station, message_id, frame[2], frame[3])))
        elif kind in (3, 4) and (future := station.waiting.get(message_id)) and not future.done():
            future.set_result(frame[2] if kind == 3 else {"error": frame[2], "description": frame[3]})
        else:
            self._tell(station.identity, f"sent an answer to nothing: {text[:100]}")

    async def _answer(self, station: ChargePoint, message_id: str, action: Any, payload: Any) -> list[Any]:
        try:
            handler = HANDLERS.get(action) if isinstance(action, str) else None
            if handler is None:
                raise CallFailure("NotImplemented", f"{str(action)[:50]} is unknown here")
            try:
                await validate_payload(Call(message_id, action, payload), "1.6")
            except OCPPError as error:
                raise CallFailure("FormationViolation", str(error)[:200]) from error
            return [3, message_id, handler(self, station, payload)]
        except CallFailure as failure:
            self._tell(station.identity, f"sent a bad {str(action)[:50]}: {failure.code} {failure}")
            return [4, message_id, failure.code, str(failure), {}]

    async def call(self, identity: str, action: str, payload: Payload) -> Any:
        """Send a request to a station; its answer, or {"error", …}."""
        station = self.stations.get(identity)
        if station is None or station.link is None:
            return {"error": f"{identity or 'no station'} is not connected"}
        message_id = str(uuid.uuid4())
        future = station.waiting[message_id] = asyncio.get_running_loop().create_future()
        self._tell(identity, f"is asked for {action} {json.dumps(payload)}")
        try:
            await station.link.send(json.dumps([2, message_id, action, payload]))
            answer = await asyncio.wait_for(future, ANSWER_S)
        except (TimeoutError, ConnectionClosed):
            answer = {"error": "no answer"}
        finally:
            del station.waiting[message_id]
        self._tell(identity, f"answers {action}: {json.dumps(answer)[:200]}")
        return answer

    # --- what stations ask ---------------------------------------------------------------------------------------

    def boot_notification(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.2."""
        station.boot = request
        name = f"{request['chargePointVendor']} {request['chargePointModel']}"
        version = request.get("firmwareVersion", "")
        self._tell(station.identity, f"has started: {name} {version}".rstrip() + "; accepted")
        return {"status": "Accepted", "currentTime": _now(), "interval": self._interval_s}

    def heartbeat(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.6."""
        self._tell(station.identity, "is alive (Heartbeat)")
        return {"currentTime": _now()}

    def status_notification(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.9."""
        connector, status = request["connectorId"], request["status"]
        station.status[connector] = status
        what = f"connector {connector}" if connector else "the station itself"
        trouble = "" if request["errorCode"] == "NoError" else f", {request['errorCode']}"
        info = f" ({request['info']})" if request.get("info") else ""
        self._tell(station.identity, f"{what} is {status}{trouble}{info}")
        return {}

    def authorize(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.1."""
        info = self._id_tag_info(request["idTag"])
        self._tell(station.identity, f"asks about card {request['idTag']}: {info['status']}")
        return {"idTagInfo": info}

    def start_transaction(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.8. The same request again (after a lost answer) gets the same transaction."""
        same = next(
            (
                t
                for t in station.transactions
                if (t.id_tag, t.meter_start, t.started_at)
                == (request["idTag"], request["meterStart"], request["timestamp"])
            ),
            None,
        )
        info = self._id_tag_info(request["idTag"])
        if same is None:
            self._last_id += 1
            same = Transaction(self._last_id, request["idTag"], request["meterStart"], request["timestamp"])
            station.transactions.append(same)
        self._tell(
            station.identity,
            f"starts transaction {same.transaction_id} with card {same.id_tag} at {same.meter_start} Wh: "
            f"{info['status']}",
        )
        return {"transactionId": same.transaction_id, "idTagInfo": info}

    def stop_transaction(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.10."""
        number = request["transactionId"]
        found = next((t for t in station.transactions if t.transaction_id == number), None)
        reason = request.get("reason", "Local")
        if found is None:
            self._tell(station.identity, f"stops transaction {number}, which is unknown here ({reason})")
            return {}
        found.meter_stop, found.reason = request["meterStop"], reason
        used_wh = found.meter_stop - found.meter_start
        self._tell(station.identity, f"stops transaction {number}: {used_wh} Wh ({reason})")
        return {}

    def meter_values(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.7."""
        for value in request["meterValue"]:
            samples = ", ".join(f"{sample['value']} {sample.get('unit', 'Wh')}" for sample in value["sampledValue"][:6])
            where = f"transaction {request['transactionId']}" if "transactionId" in request else "meter"
            self._tell(station.identity, f"{where}: {samples}")
        return {}

    def data_transfer(self, station: ChargePoint, request: Payload) -> Payload:
        """Section 4.3."""
        self._tell(station.identity, f"sends data of {request['vendorId']}: nobody here knows it")
        return {"status": "UnknownVendorId"}

    def take(self, station: ChargePoint, request: Payload) -> Payload:
        """Status of firmware updates and diagnostics."""
        self._tell(station.identity, f"reports {request.get('status', request)}")
        return {}

    def _id_tag_info(self, id_tag: str) -> Payload:
        info: Payload = {"status": "Invalid" if id_tag.casefold() in self._rejected else "Accepted"}
        if parent := self._parents.get(id_tag.casefold()):
            info["parentIdTag"] = parent
        return info

    # --- control over plain HTTP ---------------------------------------------------------------------------------

    async def http(self, link: ServerConnection, request: Request) -> Response | None:
        """Requests without an upgrade are for people (curl); None lets a station in."""
        if "Upgrade" in request.headers:
            return None
        if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return link.respond(HTTPStatus.FORBIDDEN, "not from a foreign page\n")
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        identity = query.get("station") or next((s.identity for s in self.stations.values() if s.link), "")
        answer: Any
        match parts.path.strip("/"):
            case "state":
                answer = self.state()
            case "remote-start":
                answer = await self.call(identity, "RemoteStartTransaction", {"idTag": query.get("id_tag", "REMOTE")})
            case "remote-stop":
                running = self.stations[identity].running if identity in self.stations else None
                if running is None:
                    answer = {"error": "no transaction is running"}
                else:
                    request_payload = {"transactionId": running.transaction_id}
                    answer = await self.call(identity, "RemoteStopTransaction", request_payload)
            case "reset":
                answer = await self.call(identity, "Reset", {"type": query.get("type", "Soft")})
            case "call":
                try:
                    payload = json.loads(query.get("payload", "{}"))
                except ValueError:
                    return link.respond(HTTPStatus.BAD_REQUEST, "payload is not JSON\n")
                answer = await self.call(identity, query.get("action", ""), payload)
            case _:
                return link.respond(HTTPStatus.NOT_FOUND, HELP)
        response = link.respond(HTTPStatus.OK, json.dumps(answer, indent=2) + "\n")
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    def state(self) -> Payload:
        """Everything known, as plain JSON."""
        return {
            "stations": {
                station.identity: {
                    "connected": station.link is not None,
                    "boot": station.boot,
                    "status": station.status,
                    "transactions": [vars(transaction) for transaction in station.transactions],
                }
                for station in self.stations.values()
            }
        }

    def _tell(self, identity: str, text: str) -> None:
        self._say(f"{datetime.now(UTC):%H:%M:%S} {identity} {text}")


Handler = Callable[[CentralSystem, ChargePoint, Payload], Payload]
HANDLERS: dict[str, Handler] = {
    "Authorize": CentralSystem.authorize,
    "BootNotification": CentralSystem.boot_notification,
    "DataTransfer": CentralSystem.data_transfer,
    "DiagnosticsStatusNotification": CentralSystem.take,
    "FirmwareStatusNotification": CentralSystem.take,
    "Heartbeat": CentralSystem.heartbeat,
    "MeterValues": CentralSystem.meter_values,
    "StartTransaction": CentralSystem.start_transaction,
    "StatusNotification": CentralSystem.status_notification,
    "StopTransaction": CentralSystem.stop_transaction,
}


async def run(central: CentralSystem, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one.

    Raises:
        OSError: the address cannot be used.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(
        central.connection,
        host,
        port,
        subprotocols=[Subprotocol("ocpp1.6")],
        process_request=central.http,
        compression=None,
        max_size=MAX_MESSAGE_BYTES,
        close_timeout=1,
    ) as server:
        real_port = next(iter(server.sockets)).getsockname()[1]
        say(f"Backend ready: ws://{host}:{real_port}/ocpp (control: http://{host}:{real_port}/state)")
        await stop.wait()


def _user(authorization: str) -> str:
    """The user of a Basic header; the password is nobody's business."""
    with suppress(ValueError):
        return base64.b64decode(authorization.removeprefix("Basic ")).partition(b":")[0].decode(errors="replace")
    return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
