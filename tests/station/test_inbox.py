"""The inbox: order of all threads' events, coalesced readings that lose no edge."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from ocppclient.events import CardSwiped, Event, Fault, FrameReceived, Meter, Reading
from station.inbox import Inbox, edges


def drain(inbox: Inbox) -> list[Event | None]:
    taken = []
    while (entry := inbox.take(0)) is not None:
        taken.append(entry.event)
    return taken


def reading(energy_wh: int = 0, **facts: object) -> Reading:
    return Reading(meter=Meter(at=0.0, energy_wh=energy_wh), **facts)  # type: ignore[arg-type]


def test_a_newer_reading_replaces_one_that_tells_the_same_edges() -> None:
    inbox = Inbox()
    for energy_wh in range(5):
        inbox.put(reading(energy_wh))
    assert drain(inbox) == [reading(4)]


def test_a_short_unplug_is_not_lost_between_cards_and_frames() -> None:
    inbox = Inbox()
    events: list[Event] = [
        reading(1, ev_connected=True),
        CardSwiped("A"),
        reading(2, ev_connected=False),
        FrameReceived("f"),
        reading(3, ev_connected=True),
    ]
    for event in events:
        inbox.put(event)
    assert drain(inbox) == events


def test_a_fault_that_came_and_went_is_not_lost() -> None:
    inbox = Inbox()
    fault = Fault("GroundFailure")
    for event in (reading(1), reading(2, faults=(fault,)), reading(3, faults=(fault,)), reading(4)):
        inbox.put(event)
    assert drain(inbox) == [reading(1), reading(3, faults=(fault,)), reading(4)]


def test_a_reading_that_was_taken_is_not_changed_any_more() -> None:
    inbox = Inbox()
    inbox.put(reading(1))
    assert drain(inbox) == [reading(1)]
    inbox.put(reading(2))
    assert drain(inbox) == [reading(2)]


facts = st.builds(
    reading, st.integers(0, 9), ev_connected=st.booleans(), contactor_closed=st.booleans(), ev_requests=st.booleans()
)


@given(st.lists(facts | st.builds(CardSwiped, st.sampled_from("AB")) | st.just("take"), max_size=40))
def test_whatever_the_mix_every_edge_and_every_other_event_arrives_in_order(steps: list[Reading | CardSwiped]) -> None:
    inbox, taken, put = Inbox(), [], []
    for step in steps:
        if step == "take":
            if (entry := inbox.take(0)) is not None:
                taken.append(entry.event)
        else:
            put.append(step)
            inbox.put(step)
    taken += drain(inbox)

    def story(events: list[object]) -> list[object]:
        told: list[object] = []
        last: object = None
        for event in events:
            if isinstance(event, Reading):
                if edges(event) != last:
                    last = edges(event)
                    told.append(last)
            else:
                told.append(event)
        return told

    assert story(taken) == story(list(put))
    readings = [event for event in put if isinstance(event, Reading)]
    if readings:  # and the newest level is what remains
        assert [event for event in taken if isinstance(event, Reading)][-1] == readings[-1]


def test_calls_take_their_turn_and_give_their_result_to_another_thread() -> None:
    inbox, order = Inbox(), []
    inbox.put(CardSwiped("A"))
    future = inbox.call(lambda: order.append("call") or 42)

    def work() -> None:
        while (entry := inbox.take(1)) is not None:
            if entry.call is None:
                order.append("event")
            else:
                entry.result.set_result(entry.call())
                return

    thread = threading.Thread(target=work)
    thread.start()
    assert future.result(5) == 42
    thread.join()
    assert order == ["event", "call"]


def test_taking_from_an_empty_inbox_waits_and_wakes_at_once() -> None:
    inbox = Inbox()
    assert inbox.take(0.01) is None
    timer = threading.Timer(0.02, lambda: inbox.put(CardSwiped("A")))
    timer.start()
    entry = inbox.take(30)
    timer.join()
    assert entry is not None
    assert entry.event == CardSwiped("A")
    assert len(inbox) == 0
