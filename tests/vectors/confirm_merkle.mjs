// Loads trees that Python dumped (a JSON list on stdin) with OpenZeppelin's package; says what it makes of them.
import { readFileSync } from "node:fs";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";

const dumps = JSON.parse(readFileSync(0, "utf8"));
const findings = dumps.map((dump) => {
  const tree = StandardMerkleTree.load(dump);
  tree.validate();
  const values = dump.values.map(({ value }) => value);
  const proofs = values.map((_, leaf) => tree.getProof(leaf));
  return {
    root: tree.root,
    rebuilt: StandardMerkleTree.of(values, dump.leafEncoding, { sortLeaves: false }).root,
    hashes: values.map((value) => tree.leafHash(value)),
    proofs,
    verified: values.every((value, leaf) =>
      StandardMerkleTree.verify(tree.root, dump.leafEncoding, value, proofs[leaf]),
    ),
  };
});
process.stdout.write(JSON.stringify(findings));
