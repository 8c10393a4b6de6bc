// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// solhint-disable avoid-low-level-calls

import {Test} from "forge-std/Test.sol";
import {Kind} from "../../../contracts/interfaces/INodeLicense.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {LicenceSale} from "../../../contracts/licences/LicenceSale.sol";
import {NodeLicense} from "../../../contracts/licences/NodeLicense.sol";
import {LocalToken} from "../../../contracts/local/LocalToken.sol";

/// @dev What holders, nodes and issuers sign.
abstract contract Signing is Test {
    uint64 internal constant FOREVER = type(uint64).max;
    bytes32 private constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant CONSENT_TYPE = keccak256(
        "NodeConsent(uint256 licence,address holder,address node,uint256 nonce,uint64 deadline)"
    );

    /// @dev The EIP-712 digest of a message to a contract of this chain.
    function _typed(string memory name, address verifier, bytes32 message) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256(bytes(name)), keccak256("1"), block.chainid, verifier)
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, message));
    }

    function _consentDigest(
        NodeLicense licences,
        uint256 licence,
        address holder,
        address node,
        uint256 nonce,
        uint64 deadline
    ) internal view returns (bytes32) {
        bytes32 consent = keccak256(abi.encode(CONSENT_TYPE, licence, holder, node, nonce, deadline));
        return _typed("Epochal NodeLicense", address(licences), consent);
    }

    /// @dev The holder links a licence to the key's node.
    function _link(NodeLicense licences, uint256 licence, address holder, uint256 key) internal returns (address node) {
        node = vm.addr(key);
        uint256 nonce = licences.consentNonce(node);
        bytes32 digest = _consentDigest(licences, licence, holder, node, nonce, FOREVER);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        vm.prank(holder);
        licences.link(licence, node, FOREVER, r, vs);
    }
}

/// @dev Says of each subject what a test tells it.
contract FakeTrust {
    mapping(uint256 subject => Status) public statusOf;

    function set(uint256 subject, Status status) external {
        statusOf[subject] = status;
    }
}

/// @dev Mints another licence to itself, and moves the first on, while it is called back for the first.
contract EagerReceiver {
    NodeLicense private immutable licences;
    address private immutable next;
    bool private again;

    constructor(NodeLicense licences_, address next_) {
        licences = licences_;
        next = next_;
    }

    function onERC721Received(address, address, uint256 licence, bytes calldata) external returns (bytes4) {
        if (!again) {
            again = true;
            licences.mint(address(this), Kind.Master);
            licences.transferFrom(address(this), next, licence);
        }
        return this.onERC721Received.selector;
    }
}

/// @dev A token of 6 decimals that says no without a revert.
contract FalseToken {
    mapping(address holder => uint256) public balanceOf;

    function decimals() external pure returns (uint8) {
        return 6;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return false;
    }
}

/// @dev A buyer that tries to buy more with another voucher while it is called back.
contract EagerBuyer {
    LicenceSale private immutable sale;
    bytes private second;

    constructor(LicenceSale sale_, LocalToken token) {
        sale = sale_;
        token.approve(address(sale_), type(uint256).max);
    }

    function buy(bytes calldata first, bytes calldata second_) external {
        second = second_;
        _buy(first);
    }

    function onERC721Received(address, address, uint256, bytes calldata) external returns (bytes4) {
        _buy(second);
        return this.onERC721Received.selector;
    }

    function _buy(bytes memory call) private {
        (bool done, bytes memory answer) = address(sale).call(call);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}
