"""Single turns of the ledger, each with numbers one can check by hand."""

from dataclasses import replace

import pytest

from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.ledger import Account, Ledger, Piece, Subject, advance
from oracle.ground.policy import Policy
from oracle.ground.uptime import Uptime

CLOCK = EpochClock(genesis=1_000, length=100)
HALF = Policy(target_ppm=500_000, floor_ppm=500_000)  # all or nothing, at half
WEEK = Policy(target_ppm=500_000, floor_ppm=500_000, window_epochs=7)
ONE, TWO = pack(1, 0, 1), pack(1, 0, 2)
END = 2_000


def subject(
    key: int = ONE,
    opened_at: int = 1_000,
    stop: int = END,
    through: int | None = None,
    booked: tuple[int, int] = (0, 0),
    policy: Policy = HALF,
    licence: int = 9,
    closed: bool = False,
) -> Subject:
    at = opened_at if through is None else through
    return Subject(key, licence, opened_at, stop, at, *booked, closed, policy)


def run(ledger: Ledger, epoch: int, *subjects: Subject, **agreed: Uptime) -> tuple[Ledger, tuple[Leaf, ...]]:
    """`agreed` by name: e2 is what was agreed for the first subject in epoch 2."""
    uptimes = {int(name[1:]): {subjects[0].assignment_id: uptime} for name, uptime in agreed.items()}
    return advance(ledger, CLOCK, epoch, subjects, uptimes, appeal_epochs=2)


def leaf(earned: int, accounted: int, key: int = ONE) -> Leaf:
    return Leaf(KIND_ASSIGNMENT, key, earned, accounted)


def test_advance__empty_network__has_the_one_empty_leaf() -> None:
    ledger, leaves = run(Ledger(), 3)
    assert (ledger, leaves) == (Ledger(epoch=3), (EMPTY,))


def test_advance__good_epoch_then_bad_one__accounts_both_and_earns_one() -> None:
    ledger, leaves = run(Ledger(), 0, subject(), e0=Uptime(60, 90))
    assert leaves == (leaf(90, 90),)
    ledger, leaves = run(ledger, 1, subject(), e1=Uptime(40, 90))
    assert leaves == (leaf(90, 180),)
    assert ledger.accounts == {ONE: Account(90, 180, 1_200)}


def test_advance__epoch_nobody_measured__accounts_nothing() -> None:
    ledger, leaves = run(Ledger(), 2, subject(), e0=Uptime(90, 90), e2=Uptime(100, 100))
    assert leaves == (leaf(190, 190),)
    assert ledger.accounts[ONE].until == 1_300


def test_advance__more_agreed_than_open__is_capped_at_the_same_ratio() -> None:
    _, leaves = run(Ledger(), 0, subject(opened_at=1_080), e0=Uptime(75, 100))
    assert leaves == (leaf(20, 20),)
    ledger, _ = run(Ledger(), 0, subject(opened_at=1_080, policy=WEEK), e0=Uptime(75, 100))
    assert ledger.open_windows == {ONE: Uptime(15, 20)}


def test_advance__window_of_seven__counts_once_it_is_over() -> None:
    ledger, leaves = run(Ledger(), 5, subject(policy=WEEK), e0=Uptime(0, 100), e5=Uptime(100, 100))
    assert leaves == (leaf(0, 0),)
    assert ledger.open_windows == {ONE: Uptime(100, 200)}
    ledger, leaves = run(ledger, 6, subject(policy=WEEK))
    assert leaves == (leaf(200, 200),)
    assert ledger == Ledger(6, {ONE: Account(200, 200, 1_700)})


def test_advance__closing_and_reopening_in_a_window__escapes_nothing() -> None:
    # Piece one is up for 40 s of its 100 and closed; piece two, of the same licence, is up for 55 of 100.
    first = subject(policy=WEEK, stop=1_100)
    ledger, leaves = run(Ledger(), 0, first, e0=Uptime(40, 100))
    assert leaves == (leaf(0, 100),)
    assert ledger.windows == {(1, 0, 9, 6): (Piece(ONE, 0, Uptime(40, 100), 0, {0: Uptime(40, 100)}),)}
    second = subject(TWO, opened_at=1_100, stop=1_200, policy=WEEK)
    ledger, leaves = run(ledger, 1, second, first, e1=Uptime(55, 100))
    assert leaves == (leaf(0, 100), leaf(0, 100, TWO))  # 95 of 200: below half
    other = subject(TWO, opened_at=1_100, stop=1_200, policy=WEEK, licence=8)
    _, leaves = run(Ledger(0, windows=ledger.windows), 1, other, e1=Uptime(55, 100))
    assert leaves == (leaf(100, 100, TWO),)  # another licence is scored alone


def test_advance__third_piece_of_a_window__is_scored_with_both_before_it() -> None:
    # 100 of 100 s earn 100; with 0 of 100 the window stands at exactly half, so all 200 s are earned; one more
    # second down and the window fails, but what was earned stays.
    ledger, window = Ledger(), (1, 0, 9, 6)
    for epoch, up in enumerate((100, 0)):
        at = CLOCK.start(epoch)
        piece = subject(pack(1, 0, epoch + 1), opened_at=at, stop=at + 100, policy=WEEK)
        ledger, leaves = advance(ledger, CLOCK, epoch, [piece], {epoch: {piece.assignment_id: Uptime(up, 100)}}, 2)
        assert leaves == (leaf(100, 100, piece.assignment_id),)
        assert len(ledger.windows[window]) == epoch + 1
    piece = subject(pack(1, 0, 3), opened_at=1_200, stop=1_250, policy=WEEK)
    ledger, leaves = run(ledger, 2, piece, e2=Uptime(24, 50))
    assert leaves == (leaf(0, 50, piece.assignment_id),)
    assert [(one.measured.up, one.earned) for one in ledger.windows[window]] == [(100, 100), (0, 100), (24, 0)]


def test_advance__window_is_over__forgets_its_pieces() -> None:
    ledger, _ = run(Ledger(), 0, subject(policy=WEEK, stop=1_050), e0=Uptime(50, 50))
    assert list(ledger.windows) == [(1, 0, 9, 6)]
    ledger, _ = run(ledger, 6, subject(policy=WEEK, stop=1_050))
    assert not ledger.windows


def test_advance__skipping_into_the_next_window__scores_that_alone() -> None:
    first = subject(policy=WEEK, stop=1_050)
    second = subject(TWO, opened_at=1_700, stop=1_750, policy=WEEK)
    agreed = {0: {ONE: Uptime(0, 50)}, 7: {TWO: Uptime(30, 50)}}
    _, leaves = advance(Ledger(), CLOCK, 7, [first, second], agreed, 2)
    assert leaves == (leaf(0, 50), leaf(50, 50, TWO))


def test_advance__stop_before_what_was_measured__accounts_no_second_after_it() -> None:
    ledger, _ = run(Ledger(), 1, subject(policy=WEEK), e0=Uptime(80, 100), e1=Uptime(80, 100))
    _, leaves = run(ledger, 2, subject(policy=WEEK, stop=1_050))
    assert leaves == (leaf(50, 50),)


def test_advance__pieces_that_end_with_one_epoch__are_scored_as_one() -> None:
    first = subject(stop=1_050)
    second = subject(TWO, opened_at=1_050, stop=1_100)
    agreed = {0: {ONE: Uptime(10, 50), TWO: Uptime(45, 50)}}
    _, leaves = advance(Ledger(), CLOCK, 0, [second, first], agreed, 2)
    assert leaves == (leaf(50, 50), leaf(50, 50, TWO))  # 55 of 100 together


def test_advance__chain_clamped_what_it_settled__goes_on_from_the_booked_values() -> None:
    ledger, _ = run(Ledger(), 0, subject(), e0=Uptime(100, 100))
    clamped = subject(through=1_100, booked=(60, 70))
    ledger, leaves = run(ledger, 1, clamped, e1=Uptime(100, 100))
    assert leaves == (leaf(160, 170),)


def test_advance__clamped_in_an_epoch_that_is_caught_up__takes_it_up_at_that_epoch() -> None:
    # The ledger stands at -1; the chain has settled epoch 1 and clamped. Epoch 1 must not count twice.
    clamped = subject(through=1_200, booked=(150, 150))
    _, leaves = run(Ledger(), 2, clamped, e0=Uptime(100, 100), e1=Uptime(100, 100), e2=Uptime(100, 100))
    assert leaves == (leaf(250, 250),)


def test_advance__older_settlement__changes_nothing() -> None:
    ledger, _ = run(Ledger(), 1, subject(), e0=Uptime(100, 100), e1=Uptime(100, 100))
    _, leaves = run(ledger, 2, subject(through=1_100, booked=(100, 100)), e2=Uptime(100, 100))
    assert leaves == (leaf(300, 300),)


def test_advance__settled_to_its_stop__leaves_after_the_appeal_span_and_not_before() -> None:
    ledger, _ = run(Ledger(), 0, subject(stop=1_050), e0=Uptime(50, 50))
    settled = subject(stop=1_050, through=1_050, booked=(50, 50))
    ledger, leaves = run(ledger, 2, settled)
    assert leaves == (leaf(50, 50),)
    ledger, leaves = run(ledger, 3, settled)
    assert (ledger, leaves) == (Ledger(epoch=3), (EMPTY,))
    _, leaves = run(ledger, 4, settled)
    assert leaves == (EMPTY,)


def test_advance__not_settled_to_its_stop__stays_however_long() -> None:
    ledger, _ = run(Ledger(), 0, subject(stop=1_050), e0=Uptime(50, 50))
    _, leaves = run(ledger, 50, subject(stop=1_050, through=1_020))
    assert leaves == (leaf(50, 50),)


def test_advance__job_closed__leaves_after_the_appeal_span_unsettled() -> None:
    ledger, _ = run(Ledger(), 0, subject(stop=1_050), e0=Uptime(50, 50))
    _, leaves = run(ledger, 3, subject(stop=1_050, closed=True))
    assert leaves == (EMPTY,)


def test_advance__opened_after_the_epoch__has_no_leaf_yet() -> None:
    ledger, leaves = run(Ledger(), 0, subject(opened_at=1_100))
    assert (ledger, leaves) == (Ledger(epoch=0), (EMPTY,))


def test_advance__opened_in_an_epoch_the_ledger_never_saw__starts_from_the_booked_values() -> None:
    late = subject(through=1_200, booked=(120, 150))
    _, leaves = run(Ledger(epoch=4), 5, late, e5=Uptime(100, 100))
    assert leaves == (leaf(220, 250),)


def test_advance__opened_and_stopped_in_one_second__has_nothing_to_count() -> None:
    _, leaves = run(Ledger(), 0, subject(opened_at=1_010, stop=1_010), e0=Uptime(5, 5))
    assert leaves == (leaf(0, 0),)


@pytest.mark.parametrize("epoch", [2, 1, -1])
def test_advance__epoch_already_run__is_refused(epoch: int) -> None:
    with pytest.raises(InvalidValue, match="stands at 2"):
        run(Ledger(epoch=2), epoch)


def test_advance__assignment_twice__is_refused() -> None:
    with pytest.raises(InvalidValue, match="twice"):
        run(Ledger(), 0, subject(), subject())


FULL = Ledger(
    7,
    {ONE: Account(1, 2, 3, 1), TWO: Account(4, 5, 6)},
    {ONE: Uptime(1, 3)},
    {ONE: {7: Uptime(0, 2)}},
    {(1, 0, 9, 6): (Piece(ONE, 5, Uptime(3, 5), 4, {5: Uptime(0, 2)}), Piece(TWO, 6, Uptime(3, 4), 2))},
)


def test_decode__anything_but_its_own_encoding__is_refused() -> None:
    raw = FULL.encode()
    assert Ledger.decode(raw) == FULL
    head, row = 32, 48
    swapped = raw[:head] + raw[head + row : head + 2 * row] + raw[head : head + row] + raw[head + 2 * row :]
    twice = raw[:head] + raw[head : head + row] * 2 + raw[head + 2 * row :]
    for bad in (b"", raw[:10], raw[:-1], raw + b"\0", b"X" + raw[1:], swapped, twice, b"EpL1" + raw[4:]):
        with pytest.raises(InvalidValue):
            Ledger.decode(bad)


WINDOW = (1, 0, 9, 6)
WHOLE = Piece(ONE, 5, Uptime(3, 5), 4)
IMPOSSIBLE = {
    "loss of no open window": replace(FULL, losses={TWO: {7: Uptime(0, 2)}}),
    "loss that lost nothing": replace(FULL, losses={ONE: {7: Uptime(2, 2)}}),
    "loss of a piece that lost nothing": replace(FULL, windows={WINDOW: (replace(WHOLE, losses={5: Uptime(2, 2)}),)}),
    "piece in another's slot": replace(FULL, windows={(1, 1, 9, 6): (WHOLE,)}),
    "piece twice": replace(FULL, windows={WINDOW: (WHOLE, replace(WHOLE, counted=6))}),
    "piece of two licences": replace(FULL, windows={WINDOW: (WHOLE,), (1, 0, 10, 6): (WHOLE,)}),
    "more earned than observed": replace(FULL, windows={WINDOW: (replace(WHOLE, earned=6),)}),
    "more raised than earned": replace(FULL, accounts={ONE: Account(1, 2, 3, 2)}),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_decode__what_no_ledger_holds__is_refused(name: str) -> None:
    with pytest.raises(InvalidValue):
        Ledger.decode(IMPOSSIBLE[name].encode())


def test_encode__number_beyond_its_width__is_refused() -> None:
    with pytest.raises(InvalidValue, match="width"):
        Ledger(0, {ONE: Account(0, 0, 1 << 64)}).encode()
