// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {INetworkToken} from "../../contracts/interfaces/INetworkToken.sol";
import {NetworkToken} from "../../contracts/rewards/NetworkToken.sol";

contract NetworkTokenTest is Test {
    uint256 private constant CAP = 1000;
    address private constant HOLDER = address(0xA11CE);

    NetworkToken private token = new NetworkToken("Network", "NET", CAP, address(this));

    function test_mint__by_another__is_refused() external {
        vm.prank(HOLDER);
        vm.expectRevert(abi.encodeWithSelector(INetworkToken.NetworkToken_NotMinter.selector, HOLDER));
        token.mint(HOLDER, 1);
    }

    function test_mint__up_to_the_cap__and_not_beyond() external {
        token.mint(HOLDER, CAP);
        vm.expectRevert(abi.encodeWithSelector(INetworkToken.NetworkToken_CapExceeded.selector, CAP + 1, CAP));
        token.mint(HOLDER, 1);
        assertEq(token.balanceOf(HOLDER), CAP);
    }

    function test_mint__after_a_burn__gets_no_room_back() external {
        token.mint(HOLDER, CAP);
        vm.prank(HOLDER);
        token.burn(400);
        assertEq(token.totalSupply(), CAP - 400);
        assertEq(token.minted(), CAP);
        vm.expectRevert(abi.encodeWithSelector(INetworkToken.NetworkToken_CapExceeded.selector, CAP + 1, CAP));
        token.mint(HOLDER, 1);
    }

    function test_permit__signed_by_the_holder__allows() external {
        (address holder, uint256 key) = makeAddrAndKey("holder");
        bytes32 permit = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                holder,
                HOLDER,
                uint256(7),
                uint256(0),
                block.timestamp
            )
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), permit));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.permit(holder, HOLDER, 7, block.timestamp, v, r, s);
        assertEq(token.allowance(holder, HOLDER), 7);
    }

    function test_constructor__zero_cap_or_minter__is_refused() external {
        bytes memory rule = abi.encodeWithSelector(
            INetworkToken.NetworkToken_SettingViolated.selector,
            "cap and minter are not zero"
        );
        vm.expectRevert(rule);
        new NetworkToken("Network", "NET", 0, address(this));
        vm.expectRevert(rule);
        new NetworkToken("Network", "NET", 1, address(0));
    }
}
