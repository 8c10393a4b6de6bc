// Makes the messages of heartbeats.json (on stdin) again from their fields with ethers and prints what it made.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  SigningKey,
  TypedDataEncoder,
  Wallet,
  concat,
  getBytes,
  hexlify,
  keccak256,
  sha256,
  toBeHex,
  toUtf8Bytes,
} from "ethers";

// Keyed BLAKE2b, which Node's own crypto lacks, from the library that ethers hashes with.
const { blake2b } = createRequire(import.meta.resolve("ethers"))("@noble/hashes/blake2b");

const { domain, secrets, oracle, node, challenge, ...vectors } = JSON.parse(readFileSync(0, "utf8"));

const TYPES = {
  Heartbeat: "address oracle,uint64 sequence,bytes32 challenge,bytes workloads",
  Session: "address oracle,bytes32 challenge,bytes oracleKey,bytes nodeKey",
  Receipt: "address node,uint64 epoch,uint32 firstTick,bytes ticks",
};

function sign(name, value, secret) {
  const fields = TYPES[name].split(",").map((field) => field.split(" "));
  const types = { [name]: fields.map(([type, name]) => ({ type, name })) };
  const digest = TypedDataEncoder.hash(domain, types, value);
  return { digest, signature: new SigningKey(secret).sign(digest).compactSerialized };
}

const number = (value, size) => toBeHex(BigInt(value), size);
const entries = (workloads) =>
  concat(workloads.map(({ assignment, health }) => concat([number(assignment, 16), number(health, 1)])));

const signed = vectors.signed.map(({ sequence, workloads }) => {
  const written = entries(workloads);
  const value = { oracle, sequence, challenge, workloads: written };
  const { digest, signature } = sign("Heartbeat", value, secrets.node);
  const count = number(workloads.length, 1);
  return { digest, raw: concat(["0x02", oracle, number(sequence, 8), challenge, count, written, signature]) };
});

const oracleKey = SigningKey.computePublicKey(secrets.session, true);
const nodeKey = SigningKey.computePublicKey(secrets.opening, true);
const { digest, signature } = sign("Session", { oracle, challenge, oracleKey, nodeKey }, secrets.node);
const point = new SigningKey(secrets.opening).computeSharedSecret(oracleKey);
const shared = sha256(SigningKey.computePublicKey(point, true));
const bound = keccak256(concat([digest, node]));
const key = keccak256(concat([toUtf8Bytes("Epochal session"), shared, bound]));
const session = bound.slice(0, 18);
const opening = {
  oracleKey,
  nodeKey,
  digest,
  shared,
  session,
  key,
  raw: concat(["0x03", oracle, challenge, oracleKey, nodeKey, signature]),
};

const sealed = vectors.sealed.map(({ sequence, workloads }) => {
  const head = concat(["0x04", session, number(sequence, 8), number(workloads.length, 1), entries(workloads)]);
  const hash = blake2b(getBytes(concat([challenge, head])), { key: getBytes(key), dkLen: 16 });
  const tag = "0x" + Buffer.from(hash).toString("hex");
  return { tag, raw: concat([head, tag]) };
});

const receipts = vectors.receipts.map(({ epoch, firstTick, up }) => {
  const bytes = [];
  for (const tick of up) {
    const at = (tick - firstTick) >> 3;
    while (bytes.length <= at) bytes.push(0);
    bytes[at] |= 1 << (tick - firstTick) % 8;
  }
  const ticks = hexlify(Uint8Array.from(bytes));
  const { digest, signature } = sign("Receipt", { node, epoch, firstTick, ticks }, secrets.oracle);
  const length = number(bytes.length, 2);
  const raw = concat(["0x01", node, number(epoch, 8), number(firstTick, 4), length, ticks, signature]);
  return { ticks, digest, raw };
});

const names = { node: new Wallet(secrets.node).address, oracle: new Wallet(secrets.oracle).address };
process.stdout.write(JSON.stringify({ ...names, signed, opening, sealed, receipts }));
