// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where oracles are reached by their peers, by nodes with appeals, and by anyone who wants evidence.
/// @notice An oracle's key signs its endpoint and anyone may bring that to the chain, so the key needs no gas and no
/// connection. Being listed gives no right: anybody may list his own address, and readers ask for the members of the
/// committee only. An endpoint is text that its oracle chose; whoever connects to it checks it first.
interface IOracleDirectory {
    /// @notice An oracle is reached at `endpoint` from now on.
    event EndpointAnnounced(address indexed oracle, string endpoint, uint64 sequence);

    /// @notice The endpoint is empty or longer than 200 bytes.
    error OracleDirectory_EndpointLength(uint256 length);
    /// @notice The announcement isn't newer than the one that stands.
    error OracleDirectory_StaleSequence(uint64 sequence, uint64 standing);
    /// @notice The announcement wasn't signed by the oracle for this endpoint, sequence, contract and chain.
    error OracleDirectory_WrongSigner(address recovered, address oracle);

    /// @notice Sets an oracle's endpoint, with the oracle's signature (EIP-712 type `Announcement(address oracle,string
    /// endpoint,uint64 sequence)`). Anyone may call.
    /// @param oracle whose endpoint it is
    /// @param endpoint a base URL such as https://oracle.example.org:8610, 1 to 200 bytes
    /// @param sequence above the standing one's; UNIX seconds will do
    /// @param r first half of the oracle's EIP-2098 signature
    /// @param vs second half of it
    function announce(address oracle, string calldata endpoint, uint64 sequence, bytes32 r, bytes32 vs) external;

    /// @notice Where an oracle is reached, and the sequence it announced that with; empty and zero when it never did.
    function endpointOf(address oracle) external view returns (string memory endpoint, uint64 sequence);
}
