// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @dev How many contracts a call reaches and how many words of storage it reads, which is most of what it costs where all of them are
/// cold. Gas itself is measured on the code that is deployed, see docs/gas.md.
abstract contract Words is Test {
    /// @dev How many contracts were called since `vm.startStateDiffRecording`, each counted once.
    function _contractsCalled() internal returns (uint256) {
        VmSafe.AccountAccess[] memory all = vm.stopAndReturnStateDiff();
        bytes32[] memory called = new bytes32[](all.length);
        for (uint256 i = 0; i < all.length; ++i) called[i] = bytes32(uint256(uint160(all[i].account)));
        return _distinct(called);
    }

    /// @dev How many words of a contract were read since `vm.record`, each counted once.
    function _wordsRead(address where) internal returns (uint256) {
        (bytes32[] memory slots, ) = vm.accesses(where);
        return _distinct(slots);
    }

    function _distinct(bytes32[] memory all) private pure returns (uint256 n) {
        for (uint256 i = 0; i < all.length; ++i) {
            uint256 first = 0;
            while (all[first] != all[i]) ++first;
            if (first == i) ++n;
        }
    }
}
