"""Two trainers disagree on a row exactly where its tokens differ, and by name."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import InputError
from prefdata.tokens.disagreement import MEANINGS, Reading, differences
from prefdata.tokens.trainers import Opened, Part, Refused, Seen, Settings, Side

ROW = {"tools": None}
BOS, EOS = 1, 2
READING = Reading(BOS, EOS, lambda ids: " ".join(map(str, ids)))


@st.composite
def parts(draw: Any) -> Part:
    ids = draw(st.lists(st.integers(1, 4), max_size=5))
    first = draw(st.integers(0, len(ids)))
    return Part(ids, range(first, draw(st.integers(first, len(ids)))))


SIDES = st.builds(Side, parts(), parts())
SEEN = st.one_of(
    st.builds(Seen, SIDES, SIDES, st.sampled_from([None, None, "too long"])),
    st.builds(Refused, st.just("refused")),
)


def opened(name: str, seen: Seen | Refused, max_length: int | None = None) -> Opened:
    def build(_: Any) -> Seen:
        if isinstance(seen, Refused):
            raise InputError(seen.reason)
        return seen

    return Opened(name, Settings(max_length, "", ""), build)


def training(seen: Seen | Refused) -> Any:
    if isinstance(seen, Refused):
        return "refused"
    if seen.dropped:
        return "dropped"
    return [(side.read, len(side.prompt.read)) for side in seen[:2]]


@given(SEEN, SEEN)
def test_a_row_has_names_exactly_where_training_differs(a: Any, b: Any) -> None:
    found = differences(opened("a", a), opened("b", b), ROW, READING)
    assert bool(found) == (training(a) != training(b))
    assert {d.name for d in found} <= MEANINGS.keys()
    assert {d.trainer for d in found} <= {"a", "b"}
    assert len({(d.name, d.trainer) for d in found}) == len(found)


@given(SEEN, SEEN)
def test_the_order_of_trainers_does_not_matter(a: Any, b: Any) -> None:
    one = differences(opened("a", a), opened("b", b), ROW, READING)
    other = differences(opened("b", b), opened("a", a), ROW, READING)
    assert {d.name for d in one} == {d.name for d in other}


def sided(prompt: list[int], completion: list[int]) -> Seen:
    side = Side(*(Part(ids, range(len(ids))) for ids in (prompt, completion)))
    return Seen(side, side)


def named(a: Seen, b: Seen, **settings: int) -> dict[str, str]:
    found = differences(opened("a", a, **settings), opened("b", b), ROW, READING)
    return {d.name: d.trainer for d in found}


def test_each_difference_has_its_name() -> None:
    assert named(sided([1, 7], [8]), sided([7], [8])) == {"extra-bos": "a"}
    assert named(sided([7], [8, 2, 9]), sided([7], [8, 2, 9, 2])) == {"second-eos": "b"}
    assert named(sided([7], [8, 2]), sided([7], [8])) == {"added-eos": "a"}
    assert named(sided([7], [8, 2, 9]), sided([7], [8, 2])) == {"longer-ending": "a"}
    assert named(sided([7, 8], [9]), sided([7], [8, 9])) == {"other-boundary": "a"}
    assert named(sided([7], [9]), sided([8], [9])) == {"other-prompt": "b"}
    assert named(sided([7], [8]), sided([7], [9])) == {"other-completion": "b"}
    assert named(sided([7], [8, 8]), sided([7], [8, 9]), max_length=2) == {
        "other-completion": "b",
        "over-max-length": "a",
    }


def test_what_differs_is_quoted() -> None:
    (found,) = differences(
        opened("a", sided([7, 8], [9])), opened("b", sided([7, 3], [9])), ROW, READING
    )
    assert found.detail == "'8 9' against '3 9'"
    (found,) = differences(
        opened("a", sided([7], [2, 9])), opened("b", sided([7], [2])), ROW, READING
    )
    assert found.detail == "1 token more: '9'"
