"""Changes of the network with a way back, the hotspot's hours, and the order of the uplinks.

A change is made beside the old profile, under a checkpoint of NetworkManager: without a hit from a browser on the
new path everything comes back by itself, even when this process dies meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ocppclient.sentence import NOTHING, Sentence, quoted
from station.network import policy, rules
from station.network.picture import Applied, Device, Network, Picture, Refused, Unavailable
from station.network.profiles import Hotspot, kind_of
from station.network.rules import Mobile, Unfit, Wanted
from station.network.wish import Wish

log = logging.getLogger("station.network")

#: So long a change waits for a hit on its new path; NetworkManager itself goes back a little later.
CONFIRM_S, BACKSTOP_S = 90, 100
_LOOK_EVERY_S, _ABSENT_EVERY_S, _PROBE_EVERY_S = 5.0, 60.0, 30.0
#: A device that is "off" is about to begin; later it has given up.
_SETTLE_S = 5.0
#: NMDeviceStateReason → what happened, and the cure.
_REASONS = {
    5: Sentence("the network gave no address; check its router, or set a fixed address"),
    7: Sentence("the password is wrong or missing"),
    8: Sentence("the WiFi ended the connection; most likely the password is wrong"),
    9: Sentence("the WiFi does not accept this kind of protection; choose another one"),
    10: Sentence("the WiFi could not be joined; most likely the password is wrong"),
    11: Sentence("the WiFi did not answer in time; go nearer, or check the password"),
    15: Sentence("the network gave no address; check its router, or set a fixed address"),
    16: Sentence("the network gave no address; check its router, or set a fixed address"),
    17: Sentence("the network gave no address; check its router, or set a fixed address"),
    29: Sentence("the mobile network refused the APN; compare it with what the operator of the SIM says"),
    31: Sentence("the mobile network refused the SIM; ask its operator whether it is active"),
    32: Sentence("the mobile network did not answer in time; check the antenna"),
    33: Sentence("the mobile network could not be joined; check the antenna and the SIM"),
    34: Sentence("the PIN of the SIM is wrong"),
    40: Sentence("the cable is not plugged in"),
    45: Sentence("there is no SIM in the modem"),
    46: Sentence("the SIM asks for its PIN"),
    53: Sentence("no WiFi of this name is heard; check the name, or tick “hidden”"),
    59: Sentence("the PIN of the SIM is wrong"),
    64: Sentence("another device has this address already; choose another one"),
}
_NAMES = {"wifi": "WiFi", "ethernet": "Ethernet", "mobile": "Mobile"}


class Kept(Protocol):
    """What lasts (station/network/kept.py)."""

    def hotspot(self) -> Hotspot:
        """Made at the first call."""

    def order(self) -> list[str]:
        """Kinds of uplinks, the most wanted first."""

    def set_order(self, kinds: list[str]) -> None:
        """Keep it."""

    def setting_up(self) -> bool:
        """The station is not set up yet."""

    def keep_uplink(self, order: Mapping[str, Any]) -> None:
        """What was ordered is proven: a backup takes it along."""

    def uplinks(self) -> list[dict[str, Any]]:
        """Orders of all that was proven."""

    def forget_uplinks(self) -> None:
        """Nothing was ever proven or preferred; the wish to forget the profiles is noted."""

    def wish(self) -> Wish | None:
        """What is still to be done to the profiles."""

    def wish_done(self) -> None:
        """It was done."""


@dataclass
class Change:
    """One change; `state`: "on trial", "confirmed" or "taken back" (`why`)."""

    kind: str
    what: str
    order: Mapping[str, Any] = field(repr=False)
    by: str
    token: str
    checkpoint: str
    applied: Applied
    began: float
    state: str = "on trial"
    why: Sentence = NOTHING

    def left_s(self, now: float) -> int:
        """Until it is taken back."""
        return max(0, round(self.began + CONFIRM_S - now))


class NetworkDesk:
    """Belongs to one event loop.

    Args:
        recall: runs something with `kept` where the database may be touched.
        probe: does this uplink reach the backend's host? None: there is no backend to reach.
        guests: is somebody on the hotspot of this interface?
    """

    def __init__(
        self,
        network: Network,
        kept: Kept,
        recall: Callable[[Callable[[], Any]], Awaitable[Any]],
        monotonic: Callable[[], float],
        probe: Callable[[Device], Awaitable[bool | None]],
        guests: Callable[[str], bool],
    ) -> None:
        self._network = network
        self._kept = kept
        self._recall = recall
        self._monotonic = monotonic
        self._probe = probe
        self._guests = guests
        self._hotspot = policy.HotspotPolicy()
        self._health = policy.Health()
        self._change: Change | None = None
        self._picture = Picture()
        self._problem = Sentence("The station has not looked at the network yet.")
        self._hotspot_why = ""
        self._next_look = self._next_probe = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    # -- what people order

    async def obey(self, order: Mapping[str, Any], user: str) -> tuple[bool, Sentence]:
        """Do it: {"do": "change" (with what `rules.wanted` reads), "keep" ({"token", "local"}), "keep anyway",
        "take back", "scan", "hotspot" ({"open"}), "forget" or "order" ({"kinds"})}. Returns whether, and words for
        people."""
        async with self._one_at_a_time:
            try:
                return await self._obey(order, user)
            except (Unfit, Refused, Unavailable) as refusal:
                return False, quoted(refusal)

    async def _obey(self, order: Mapping[str, Any], user: str) -> tuple[bool, Sentence]:
        match order.get("do"):
            case "change":
                return True, await self._begin(rules.wanted(order), order, user)
            case "keep":
                return await self._keep_from(str(order.get("token", "")), str(order.get("local", "")))
            case "keep anyway" if self._on_trial:
                return await self._keep(Sentence("kept without a proof"))
            case "take back" if self._on_trial:
                await self._take_back(Sentence("{user} took it back", user=user))
                return True, Sentence("Everything is as it was.")
            case "keep anyway" | "take back":
                return False, Sentence("No change is being proven.")
            case "scan":
                await self._network.scan()
                self._next_look = float("-inf")
                return True, Sentence("The station listens; the list renews itself within seconds.")
            case "hotspot":
                return await self._order_hotspot(bool(order.get("open", True)))
            case "forget":
                return await self._forget(user)
            case "order":
                kinds = [kind for kind in order.get("kinds", []) if kind in policy.KINDS]
                if sorted(kinds) != sorted(policy.KINDS):
                    return False, Sentence("Name each kind of network once.")
                await self._recall(lambda: self._kept.set_order(kinds))
                self._next_look = float("-inf")
                return True, Sentence("The station prefers its networks in this order now.")
        return False, Sentence("The station does not know this order.")

    async def _begin(self, wanted: Wanted, order: Mapping[str, Any], user: str) -> Sentence:
        if self._on_trial:
            raise Refused(Sentence("Another change is being proven. Keep it or take it back first."))
        if isinstance(wanted, Mobile):
            self._check_sim(wanted)
        kind = kind_of(wanted)
        checkpoint = await self._network.checkpoint(BACKSTOP_S)
        try:
            applied = await self._network.apply(wanted)
        except (Refused, Unavailable):
            await self._network.go_back(checkpoint)
            raise
        what = rules.ssid_text(wanted.ssid) if isinstance(wanted, rules.Wifi) else _NAMES[kind]
        token = secrets.token_urlsafe(12)
        self._change = Change(kind, what, order, user, token, checkpoint, applied, self._monotonic())
        log.info("%s changes the network: %s %s", user, kind, what)
        return Sentence(
            "The station tries it. Without a proof the old settings come back within {confirm_s} s.",
            confirm_s=CONFIRM_S,
        )

    def _check_sim(self, wanted: Mobile) -> None:
        modem = self._picture.modem
        if modem is None:
            raise Refused(Sentence("This station has no modem."))
        if modem.needs == "puk":
            raise Refused(Sentence("The SIM wants its PUK. Put it into a phone, enter the PUK there, and come back."))
        if modem.needs == "sim":
            raise Refused(Sentence("There is no SIM in the modem."))
        if modem.needs == "pin" and not wanted.pin:
            raise Unfit("pin", Sentence("The SIM asks for its PIN."))
        if modem.needs == "pin" and modem.pin_tries is not None and modem.pin_tries <= 1:
            raise Unfit(
                "pin", Sentence("The SIM allows one more try only. Put it into a phone and enter the PIN there.")
            )

    async def _keep_from(self, token: str, local: str) -> tuple[bool, Sentence]:
        change = self._change
        if change is None or not secrets.compare_digest(change.token.encode(), token.encode()):
            return False, Sentence("This link belongs to no change of the network, or to an older one.")
        if change.state == "confirmed":
            return True, Sentence("The new network settings are kept.")
        if change.state == "taken back":
            return False, Sentence("The change was taken back already.")
        device = await self._carrier(change)
        if device is None:
            return False, Sentence("The new network is not connected yet. Try again in some seconds.")
        if change.kind != "mobile" and local not in device.addresses:
            return False, Sentence(
                "You came by another path than the changed one. Open the station by its new address."
            )
        return await self._keep(NOTHING)

    async def _carrier(self, change: Change) -> Device | None:
        """The device, once it is connected by the new profile."""
        self._picture = await self._network.look()
        device = self._picture.of(change.applied.device)
        is_up = device is not None and device.state == "connected" and device.profile == change.applied.profile
        return device if is_up else None

    async def _keep(self, why: Sentence) -> tuple[bool, Sentence]:
        change = self._change
        assert change is not None
        await self._network.keep(change.checkpoint)
        change.state, change.why = "confirmed", why
        await self._recall(lambda: self._kept.keep_uplink(change.order))
        await self._network.drop_others(change.applied)
        log.info("The change of the network is kept")
        return True, Sentence("The new network settings are kept.")

    async def _take_back(self, why: Sentence) -> None:
        change = self._change
        assert change is not None
        change.state, change.why = "taken back", why
        log.info("The change of the network is taken back: %s", why)
        await self._network.go_back(change.checkpoint)
        self._next_look = float("-inf")

    async def _forget(self, user: str) -> tuple[bool, Sentence]:
        """Everything that people set; the hotspot opens, because it is the only way in then."""
        if self._on_trial:
            await self._take_back(Sentence("{user} had all networks forgotten", user=user))
        await self._recall(self._kept.forget_uplinks)
        await self._fulfil(Wish.FORGET)
        await self._order_hotspot(True)
        return True, Sentence(
            "All networks are forgotten. The hotspot is open for {minutes:.0f} minutes.", minutes=policy.ORDERED_S / 60
        )

    async def _fulfil(self, wish: Wish) -> None:
        """What could not be done when it was wished for; a network that cannot be had now is left out."""
        if wish is Wish.FORGET:
            await self._network.forget()
        else:
            for order in await self._recall(self._kept.uplinks):
                try:
                    wanted = rules.wanted(order)
                    if isinstance(wanted, Mobile):
                        self._check_sim(wanted)
                    await self._network.apply(wanted)
                except (Unfit, Refused) as refused:
                    log.warning("A network of the backup is left out: %s", refused)
        await self._recall(self._kept.wish_done)
        self._next_look = float("-inf")

    async def _order_hotspot(self, is_open: bool) -> tuple[bool, Sentence]:
        if is_open:
            self._hotspot.order(self._monotonic())
            await self._network.open_hotspot(await self._recall(self._kept.hotspot))
            self._next_look = float("-inf")
            return True, Sentence("The hotspot is open for {minutes:.0f} minutes.", minutes=policy.ORDERED_S / 60)
        self._hotspot.withdraw()
        self._next_look = float("-inf")
        return True, Sentence("The hotspot closes, unless the station cannot be reached otherwise.")

    @property
    def _on_trial(self) -> bool:
        return self._change is not None and self._change.state == "on trial"

    # -- time

    async def run(self) -> None:
        """Tick every second, for ever."""
        while True:
            await self.tick()
            await asyncio.sleep(1)

    async def tick(self) -> None:
        """Time has passed."""
        now = self._monotonic()
        if now < self._next_look and not self._on_trial:
            return
        async with self._one_at_a_time:
            try:
                self._picture = await self._network.look()
                self._problem, self._next_look = NOTHING, now + _LOOK_EVERY_S
                if self._on_trial:
                    await self._judge(now)
                elif (wish := await self._recall(self._kept.wish)) is not None:
                    await self._fulfil(wish)
                else:
                    await self._prefer(now)
                    await self._set_hotspot(now)
            except Unavailable as absent:
                if self._problem != quoted(absent):
                    log.warning("%s", absent)
                self._picture, self._problem, self._next_look = Picture(), quoted(absent), now + _ABSENT_EVERY_S
            except Refused as refused:
                log.warning("%s", refused)

    async def _judge(self, now: float) -> None:
        change = self._change
        assert change is not None
        device = self._picture.of(change.applied.device)
        reason = self._network.failure(change.applied)
        if reason is not None or (device is not None and device.state == "failed"):
            await self._take_back(
                _REASONS.get(reason or 0, Sentence("the connection failed (reason {reason})", reason=reason or 0))
            )
        elif device is not None and device.state == "unplugged":
            await self._take_back(_REASONS[40])
        elif device is not None and device.state == "off" and now - change.began > _SETTLE_S:
            await self._take_back(Sentence("the connection could not be made"))
        elif now - change.began >= CONFIRM_S:
            is_up = device is not None and device.state == "connected"
            why = Sentence("nobody opened the station by its new address") if is_up else Sentence("it did not connect")
            await self._take_back(Sentence("{why} within {confirm_s} s", why=why, confirm_s=CONFIRM_S))

    async def _prefer(self, now: float) -> None:
        uplinks = self._picture.uplinks
        if now >= self._next_probe:
            self._next_probe = now + _PROBE_EVERY_S
            for device, reached in zip(uplinks, await asyncio.gather(*map(self._probe, uplinks)), strict=True):
                if reached is not None:
                    self._health.probed(device.interface, reached)
        if len(uplinks) > 1:
            order = await self._recall(self._kept.order)
            pairs = [(device.interface, device.kind) for device in uplinks]
            await self._network.prefer(policy.metrics(order, pairs, self._health))

    async def _set_hotspot(self, now: float) -> None:
        device, others = self._picture.hotspot, [one for one in self._picture.devices if one.kind == "wifi"]
        facts = policy.Facts(
            setting_up=await self._recall(self._kept.setting_up),
            online=bool(self._picture.uplinks),
            is_open=device is not None,
            guests=device is not None and self._guests(device.interface),
            shares_radio=len(others) < 2,
        )
        why = self._hotspot.wants(facts, now)
        if why != self._hotspot_why:
            log.info("The hotspot is %s", f"wanted: {why}" if why else "not wanted any more")
        self._hotspot_why = why
        if why and device is None and others:
            await self._network.open_hotspot(await self._recall(self._kept.hotspot))
        elif not why and device is not None:
            await self._network.close_hotspot()
        else:
            return
        self._next_look = float("-inf")

    # -- what pages show

    async def told(self) -> dict[str, Any]:
        """Everything for the page, as plain values; "hotspot" holds the passphrase and "change" the token: the page
        shows them to installers only."""
        now, picture = self._monotonic(), self._picture
        change = self._change
        hotspot: Hotspot | None = await self._recall(self._kept.hotspot) if not self._problem else None
        return {
            "problem": self._problem,
            "devices": [_told_device(device, self._health) for device in picture.devices],
            "cells": [
                {"ssid": rules.ssid_text(cell.ssid), "hex": cell.ssid.hex(), "signal": cell.signal,
                 "words": rules.signal_words(cell.signal), "security": cell.security}
                for cell in picture.cells
            ],
            "modem": picture.modem and {
                "state": picture.modem.state, "signal": picture.modem.signal, "operator": picture.modem.operator,
                "words": rules.signal_words(picture.modem.signal), "needs": picture.modem.needs,
            },
            "hotspot": hotspot and {
                "ssid": hotspot.ssid, "passphrase": hotspot.passphrase, "open": picture.hotspot is not None,
                "why": self._hotspot_why, "left_s": max(0, round(self._hotspot.ordered_until - now))
                if self._hotspot_why == "order" else 0,
            },
            "order": await self._recall(self._kept.order),
            "change": change and {
                "kind": change.kind, "what": change.what, "by": change.by, "state": change.state, "why": change.why,
                "token": change.token if self._on_trial else "", "left_s": change.left_s(now),
                "addresses": self._new_addresses(change),
            },
        }  # fmt: skip

    def _new_addresses(self, change: Change) -> list[str]:
        device = self._picture.of(change.applied.device)
        is_up = device is not None and device.state == "connected" and device.profile == change.applied.profile
        return list(device.addresses) if device is not None and is_up else []


def _told_device(device: Device, health: policy.Health) -> dict[str, Any]:
    return {
        "interface": device.interface, "kind": device.kind, "name": _NAMES[device.kind], "state": device.state,
        "addresses": list(device.addresses), "gateway": device.gateway, "ssid": rules.ssid_text(device.ssid),
        "is_hotspot": device.is_hotspot, "is_default": device.is_default, "health": health.word(device.interface),
        "is_up": health.is_up(device.interface),
        "signal": device.signal, "words": "" if device.signal is None else rules.signal_words(device.signal),
        "networks": list(device.networks), "name_servers": list(device.name_servers),
    }  # fmt: skip
