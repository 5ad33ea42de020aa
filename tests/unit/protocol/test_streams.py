"""Event streams: what is written is what is read, wherever the connection cuts it."""

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from quarters.protocol.streams import KEEP_ALIVE, LogPlace, StreamEvent, decode, encode


async def read(*chunks: bytes) -> list[StreamEvent]:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [event async for event in decode(stream())]


async def test_an_event_is_read_as_it_was_written() -> None:
    event = StreamEvent("log", "one\n\n  two: three", "1:7")
    assert await read(encode(event)) == [event]


async def test_an_event_is_put_together_from_any_pieces() -> None:
    events = [StreamEvent("log", "größer\n", "1:8"), StreamEvent("end", "succeeded", "1:8")]
    wire = encode(events[0]) + KEEP_ALIVE + encode(events[1])
    assert await read(*(wire[at : at + 1] for at in range(len(wire)))) == events


async def test_an_event_that_is_cut_off_is_left_out() -> None:
    whole = encode(StreamEvent("log", "one", "1:3"))
    assert await read(whole, encode(StreamEvent("log", "two", "1:6"))[:-1]) == [
        StreamEvent("log", "one", "1:3")
    ]


async def test_signs_of_life_are_no_events() -> None:
    assert await read(KEEP_ALIVE, KEEP_ALIVE) == []


async def test_the_id_stays_until_another_comes() -> None:
    assert [event.id for event in await read(b"id: 4\ndata: a\n\ndata: b\n\n")] == ["4", "4"]


async def test_a_carriage_return_begins_a_line_of_its_own() -> None:
    (event,) = await read(encode(StreamEvent("log", "10%\r20%\r\ndone")))
    assert event.data == "10%\n20%\ndone"


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
async def test_any_text_survives(text: str) -> None:
    assert await read(encode(StreamEvent("log", text))) == [StreamEvent("log", text)]


@given(st.text(max_size=50))
def test_what_is_no_place_in_a_log_is_none(text: str) -> None:
    place = LogPlace.parse(text)
    assert place is None or LogPlace.parse(str(place)) == place


def test_a_place_in_a_log_is_read_as_it_was_written() -> None:
    assert LogPlace.parse(str(LogPlace(2, 1234))) == LogPlace(2, 1234)
    for wrong in ("", "1", ":", "1:", ":1", "1:-1", "a:1", "1:1:1", "²:1"):
        assert LogPlace.parse(wrong) is None
