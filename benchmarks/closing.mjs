// Builds the tree of leaves (a JSON list on stdin) with OpenZeppelin's package; prints its root and the time it took.
import { readFileSync } from "node:fs";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";

const { leaves, encoding } = JSON.parse(readFileSync(0, "utf8"));
const start = performance.now();
const { root } = StandardMerkleTree.of(leaves, encoding, { sortLeaves: false });
process.stdout.write(JSON.stringify({ root, milliseconds: performance.now() - start }));
