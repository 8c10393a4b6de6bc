"""Trees of final reports for a keeper: recomputed from the evidence that oracles serve, and from the chain."""

from __future__ import annotations

from collections.abc import Sequence

from chain.client import RpcError
from chain.network import Network
from oracle.committee.errors import NotAgreed
from oracle.ground.merkle import Tree
from oracle.service.evidence_source import EvidenceMissing, EvidenceSource
from oracle.service.reports_on_chain import NoReport
from oracle.service.verifying import Verifier
from settlement.keeping.trees import TreeUnavailable


class EvidenceTrees:
    """A TreeSource. Believes nobody: a tree comes to the root on chain, or it isn't given."""

    def __init__(self, network: Network, tick: int, oracles: Sequence[str]) -> None:
        """`oracles`: base URLs to ask; none: those of the chain's directory. `tick`: the network's, in seconds."""
        self._network = network
        self._tick = tick
        self._oracles = tuple(oracles)

    def tree(self, epoch: int, root: bytes) -> Tree:
        """See TreeSource. WrongTick for another tick than the network's."""
        try:
            verifier = Verifier(self._network, self._tick, EvidenceSource(self._network, self._oracles))
            submission = verifier.reports.of_epoch(epoch)
            if submission.claim.root != root:
                raise TreeUnavailable(f"epoch {epoch}: its report changed while it was looked at")
            found = verifier.verify(submission)
        except (EvidenceMissing, NoReport, NotAgreed, RpcError) as error:
            raise TreeUnavailable(str(error)) from error
        made, differs = found.verification.made, found.verification.differs
        if made is None or made.tree.root != root:
            why = differs.text if differs else "it comes to another root"
            raise TreeUnavailable(f"epoch {epoch}: the evidence from {found.source} isn't the report's: {why}")
        return made.tree
