# SPDX-License-Identifier: Apache-2.0
"""Settings that a network refuses to be deployed with, and what it says of itself."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from chain.deployment.settings import LEAVE_NOTICE_EPOCHS
from tests.contract.world import APPEAL_EPOCHS, EPOCH, PROTOCOL_PPM, SETTLE_WINDOW, TIMING, World, refused

BROKEN_SPANS = {
    "genesis, epochLength and activationDelay are not zero": replace(TIMING, activation_delay=0),
    "settleDelay + agreementSpan + activationDelay < epochLength": replace(
        TIMING, activation_delay=EPOCH - TIMING.settle_delay - TIMING.agreement_span
    ),
    "reviewDelay > replacementSpan": replace(TIMING, review_delay=TIMING.replacement_span),
    "stallSpan > epochLength + settleDelay + agreementSpan + activationDelay + reviewDelay": replace(
        TIMING,
        stall_span=EPOCH + TIMING.settle_delay + TIMING.agreement_span + TIMING.activation_delay + TIMING.review_delay,
    ),
    "attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay": replace(
        TIMING,
        attestable_span=TIMING.replacement_span + TIMING.settle_delay + TIMING.agreement_span + TIMING.review_delay,
    ),
    "grace < epochLength": replace(TIMING, grace=EPOCH),
}


@pytest.mark.parametrize("rule", BROKEN_SPANS)
def test_attestations__span_breaks_an_inequality__is_not_deployed(world: World, rule: str) -> None:
    with refused("Timing_Violated", rule=rule):
        world.deploy(BROKEN_SPANS[rule])


def test_attestations__epochs_of_five_seconds__is_deployed(world: World) -> None:
    network = world.deploy(TIMING.for_epochs(TIMING.genesis, 5, APPEAL_EPOCHS), settle_window=2)
    assert network.timing.epoch_length == 5


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("0 < settleWindow < epochLength", {"settle_window": EPOCH}),
        ("0 < settleWindow < epochLength", {"settle_window": 0}),
        (
            "attestableSpan > replacementSpan + settleDelay + agreementSpan + reviewDelay + settleWindow",
            {"settle_window": EPOCH - 1},
        ),
        ("protocolSharePpm <= 1000000", {"protocol_share_ppm": 1_000_001}),
    ],
)
def test_job_escrow__setting_out_of_bounds__is_not_deployed(world: World, rule: str, changes: dict[str, int]) -> None:
    with refused("JobEscrow_SettingViolated", rule=rule):
        world.deploy(**changes)


def test_network__deployed__says_its_settings(world: World) -> None:
    network = world.network
    assert network.attestations.functions.timing().call() == astuple(TIMING)
    assert network.appeal_epochs == APPEAL_EPOCHS
    assert network.settle_window == SETTLE_WINDOW
    assert network.protocol_share_ppm == PROTOCOL_PPM
    assert network.admission.functions.tokenAllowed(network.addresses.token).call()
    assert not network.admission.functions.tokenAllowed(network.addresses.burner).call()
    signers, quorum = world.attestations.committee(1).call()
    assert signers == [signer.address for signer in world.committee]
    assert quorum == 3


def test_contracts__deployed__fit_the_size_limit(world: World) -> None:
    at = world.network.addresses.by_key()
    assert {"authority", "attestations", "licences", "escrow", "burner", "directory", "lens", "rewards"} <= set(at)
    for name, address in at.items():
        assert 0 < len(world.chain.w3.eth.get_code(address)) <= 24_576, name


def test_registry__notice_to_leave__is_what_deployments_reckon_with(world: World) -> None:
    assert world.network.registry.functions.leaveNoticeEpochs().call() == LEAVE_NOTICE_EPOCHS
