// Reads reports/*.json of a replay (the folder is the argument) with ethers and OpenZeppelin's merkle-tree package.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { recoverAddress, Signature, TypedDataEncoder } from "ethers";

const types = {
  EpochReport: [
    { name: "epoch", type: "uint64" },
    { name: "committee", type: "uint64" },
    { name: "root", type: "bytes32" },
    { name: "parent", type: "bytes32" },
    { name: "anchor", type: "bytes32" },
    { name: "evidence", type: "bytes32" },
  ],
};

const folder = process.argv[2];
const findings = {};
for (const name of readdirSync(folder)) {
  const { domain, report, signatures, tree: dump } = JSON.parse(readFileSync(join(folder, name), "utf8"));
  const tree = StandardMerkleTree.load(dump);
  tree.validate();
  const proven = [...tree.entries()].every(([index, value]) =>
    StandardMerkleTree.verify(report.root, dump.leafEncoding, value, tree.getProof(index)),
  );
  const digest = TypedDataEncoder.hash(domain, types, report);
  findings[name] = {
    root: tree.root,
    proven,
    leaves: dump.values.map(({ value }) => value),
    digest,
    signers: signatures.map((signature) => recoverAddress(digest, Signature.from(signature))),
  };
}
process.stdout.write(JSON.stringify(findings));
