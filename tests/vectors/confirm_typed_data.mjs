// Hashes signed messages (typed_data.json on stdin) with ethers and recovers their signers.
import { readFileSync } from "node:fs";
import { TypedDataEncoder, verifyTypedData } from "ethers";

const vectors = JSON.parse(readFileSync(0, "utf8"));
const findings = vectors.map(({ primaryType, domain, types, value, signature }) => ({
  // The type's hash leads the encoded data: "0x" and 64 digits.
  typeHash: TypedDataEncoder.from(types).encodeData(primaryType, value).slice(0, 66),
  domainSeparator: TypedDataEncoder.hashDomain(domain),
  digest: TypedDataEncoder.hash(domain, types, value),
  signer: verifyTypedData(domain, types, value, signature),
}));
process.stdout.write(JSON.stringify(findings));
