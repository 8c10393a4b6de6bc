// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Baseline: every member of the committee sends its own vote for an epoch's root.
/// @dev The cheapest form of it: one ballot whose two slots are used again for each epoch.
contract MemberVotes {
    /// @notice A root has its quorum.
    event Attested(uint64 indexed epoch, bytes32 indexed root);

    /// @notice The caller isn't a member, or has voted.
    error MemberVotes_NotAllowed(address caller);
    /// @notice The vote is for another root than the one voted on.
    error MemberVotes_OtherRoot(bytes32 root);

    struct Ballot {
        uint64 epoch;
        uint184 members;
        uint8 votes;
    }

    uint256 private immutable QUORUM;
    mapping(address member => uint256 number) private _numbers;
    Ballot private _ballot;
    bytes32 private _root;

    constructor(address[] memory members, uint256 quorum) {
        QUORUM = quorum;
        for (uint256 i = 0; i < members.length; ++i) _numbers[members[i]] = i + 1;
    }

    /// @notice The caller's vote.
    function vote(uint64 epoch, bytes32 root) external {
        uint256 number = _numbers[msg.sender];
        Ballot memory ballot = _ballot;
        if (epoch > ballot.epoch) {
            ballot = Ballot({epoch: epoch, members: 0, votes: 0});
            _root = root;
        } else {
            require(root == _root, MemberVotes_OtherRoot(root));
        }
        require(number != 0 && (ballot.members >> number) & 1 == 0, MemberVotes_NotAllowed(msg.sender));
        ballot.members |= uint184(1 << number);
        if (++ballot.votes == QUORUM) emit Attested(epoch, root);
        _ballot = ballot;
    }
}
