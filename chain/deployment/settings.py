"""What a deployment decides about a network: spans, money, licences, trust; and the people who hold its roles."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from chain.deployment.errors import UnfitSettings

DAY = 86_400
LEAVE_NOTICE_EPOCHS = 8
"""After how many epochs an oracle's wish to leave counts, as the contract OracleRegistry fixes it."""


def outlasted(review: int, appeals: int, before: int) -> int:
    """A review's seconds, cut to what an appeal span of so many seconds outlasts (0: no appeals), as the contracts ask.
    before: seconds from an epoch's end until its report could be final."""
    return min(review, appeals - before - 1) if appeals else review


@dataclass(frozen=True, slots=True)
class Timing:
    """The network's spans in seconds, in the order of the contracts' struct `Timing`, which says what each means."""

    genesis: int
    epoch_length: int
    settle_delay: int
    agreement_span: int
    activation_delay: int
    review_delay: int
    replacement_span: int
    stall_span: int
    attestable_span: int
    grace: int

    @staticmethod
    def for_epochs(genesis: int, length: int, appeal_epochs: int) -> Timing:
        """Spans in proportion to an epoch of `length` seconds, at least 5, that meet the contracts' inequalities.

        A review takes two epochs, or as long as the appeal span of so many epochs (0: no appeals) outlasts it.
        """
        part = max(1, length // 24)
        settle = agreement = max(1, part // 4)
        review = outlasted(2 * length, appeal_epochs * length, settle + agreement + part)
        replacement = review // 2
        return Timing(
            genesis=genesis,
            epoch_length=length,
            settle_delay=settle,
            agreement_span=agreement,
            activation_delay=part,
            review_delay=review,
            replacement_span=replacement,
            stall_span=2 * length + review + part,
            attestable_span=2 * length + replacement + review,
            grace=length // 2,
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """How licences of one kind are rewarded, as the contracts' struct `Schedule`; `settlement.emission` makes them."""

    start_epoch: int = 0
    step_epochs: int = 0
    cap: int = 0
    shares: bytes = b""


@dataclass(frozen=True, slots=True)
class Licences:
    """Kinds of licences in the order standard, master, genesis.

    relink_cooldown    seconds from one link of a licence to its next
    supply             how many there may ever be
    schedules          their rewards
    genesis_wallets    among whom the reward of genesis licences is split
    tiers              of the sale of standard licences: price in the tokens' smallest unit, and how many
    longest_pause      of the sale, seconds
    """

    relink_cooldown: int = 0
    supply: tuple[int, int, int] = (1_000_000, 1_000, 1)
    schedules: tuple[Schedule, Schedule, Schedule] = (Schedule(), Schedule(), Schedule())
    genesis_wallets: tuple[str, ...] = ()
    tiers: tuple[tuple[int, int], ...] = ()
    longest_pause: int = 7 * DAY


@dataclass(frozen=True, slots=True)
class OwnToken:
    """The network's own token, in which licences are rewarded; `cap` in its smallest unit."""

    name: str = "Epochal Local"
    symbol: str = "EPL"
    cap: int = 10**27


@dataclass(frozen=True, slots=True)
class Trust:
    """The longest freeze, the most in a year, and the times of an appeal and of its decision; in seconds."""

    freeze_span: int = 7 * DAY
    yearly_freeze: int = 30 * DAY
    appeal_span: int = 14 * DAY
    decision_span: int = 14 * DAY


@dataclass(frozen=True, slots=True)
class Swap:
    """How what is to be burned is swapped into the network's own token first; the contract's `SwapSettings` say more.

    router       of Uniswap's second version, or one like it
    max_period   also how long a price may have moved on since it was observed; short, since whoever swaps gains by that
    """

    router: str
    min_period: int = 1_800
    max_period: int = 3_600
    cooldown: int = 3_600
    max_slippage_ppm: int = 20_000


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds between scheduling and executing: what governance and the licensor wait, and what replacing a committee
    in an emergency waits."""

    governance: int = 0
    replacement: int = 0


@dataclass(frozen=True, slots=True)
class People:
    """Who holds the roles, and who gets the money of licences sold. Addresses; "" where nobody is to.

    governor     everything that no other role does, after the delay of governance
    guardian     vetoes reports, pauses what brings money in
    licensor     mints licences without pay, after the delay of governance
    replacer     replaces the committee in an emergency, after a delay
    freezer      freezes for a while
    suspender    suspends until it is lifted
    blacklister  blacklists
    judge        decides appeals against all three
    registrar    registers verifiers of credentials
    treasury     gets the money of licences sold
    """

    governor: str
    guardian: str
    licensor: str
    replacer: str
    freezer: str
    suspender: str
    blacklister: str
    judge: str
    registrar: str
    treasury: str
    delays: Delays = field(default_factory=Delays)

    @staticmethod
    def one(address: str) -> People:
        """One for everything, for local networks."""
        a = address
        return People(a, a, a, a, a, a, a, a, a, a)

    def named(self) -> dict[str, str]:
        """Addresses by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "delays"}


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What is fixed when a network is deployed.

    signers              addresses of the first committee's signing keys, in any order, at least 4
    appeal_epochs        epochs in which an appeal can turn withheld seconds into earned ones
    settle_window        seconds, below the epoch's length
    protocol_share_ppm   the protocol's share of the earned, in millionths
    tokens               ERC-20 tokens in which jobs may pay; empty: a LocalToken is deployed
    members              the signers' cold addresses, each at its signer's place; empty, on local networks: see
                         `contracts.local_member`
    operators            who operates the members, likewise; empty: the members themselves
    licences             see there
    own_token            see there
    oracle_pay           what an oracle earns for an epoch of duty, in the first token's smallest unit; 0: nothing, and
                         the protocol's share is burned
    credential_kinds     which credentials a CSP may show, as the contracts' bits; 0: none is required
    deed_required        whether a CSP must hold a licence
    longest_pause        of admission, seconds
    bond_delay           seconds from the request of a bond's withdrawal to its payment, no less than proofs of
                         equivocation are valid; 0: the least that is allowed
    bond_window_epochs   the longest policy window for whose penalties a bond is sure to wait
    equivocation_epochs  how many epochs after its own an oracle's double signature can be proved
    trust                see there
    swap                 see there; None: what is to be burned is burned as it comes
    """

    timing: Timing
    signers: tuple[str, ...]
    appeal_epochs: int
    settle_window: int
    protocol_share_ppm: int
    tokens: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    licences: Licences = field(default_factory=Licences)
    own_token: OwnToken = field(default_factory=OwnToken)
    oracle_pay: int = 0
    credential_kinds: int = 0
    deed_required: bool = False
    longest_pause: int = 7 * DAY
    bond_delay: int = 0
    bond_window_epochs: int = 1
    equivocation_epochs: int = 30
    trust: Trust = field(default_factory=Trust)
    swap: Swap | None = None

    @property
    def equivocation_span(self) -> int:
        """Seconds from an oracle's last duty until no proof against it is accepted any more, at most."""
        return (self.equivocation_epochs + 2) * self.timing.epoch_length

    @property
    def bond_withdrawal_delay(self) -> int:
        """`bond_delay`, or the least that the contracts and the proofs against oracles allow."""
        t = self.timing
        least = (self.bond_window_epochs + 2) * t.epoch_length + t.stall_span + t.attestable_span + t.review_delay
        return self.bond_delay or max(least, self.equivocation_span)

    def check(self, people: People) -> None:
        """UnfitSettings unless people's delays fit the spans and notices, bonds outlast proofs, and what belongs
        together is of one length. The contracts check the rest."""
        if people.delays.replacement > self.timing.replacement_span:
            raise UnfitSettings(
                f"delays.replacement is {people.delays.replacement:,} s, but an emergency replacement must fit "
                f"timing.replacement_span, {self.timing.replacement_span:,} s; lower the one or raise the other"
            )
        # A wish may be made when its epoch is about to end, and whoever executes needs an epoch to do so.
        notice = (LEAVE_NOTICE_EPOCHS - 2) * self.timing.epoch_length
        if people.delays.governance > notice:
            raise UnfitSettings(
                f"delays.governance is {people.delays.governance:,} s, but a committee must be announced before a wish "
                f"to leave counts that came meanwhile, so within {notice:,} s; lower it to that"
            )
        if self.bond_withdrawal_delay < self.equivocation_span:
            raise UnfitSettings(
                f"bond_delay is {self.bond_delay:,} s, but a bond must outlast proofs of equivocation, valid for "
                f"(equivocation_epochs + 2) epochs, {self.equivocation_span:,} s; raise it, or leave it out"
            )
        for name in ("members", "operators"):
            if (given := len(getattr(self, name))) not in (0, len(self.signers)):
                raise UnfitSettings(f"{name}: {given} for {len(self.signers)} signers; give one for each, or none")
