// Makes the messages of protocol.json (on stdin) again from their fields with ethers and prints what it made.
import { readFileSync } from "node:fs";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import {
  AbiCoder,
  SigningKey,
  TypedDataEncoder,
  Wallet,
  concat,
  dataLength,
  dataSlice,
  hexlify,
  keccak256,
  recoverAddress,
  toBeHex,
  toUtf8Bytes,
} from "ethers";

const { domains, secrets, oracles: _, ...vectors } = JSON.parse(readFileSync(0, "utf8"));
const keys = [0, 1, 2, 3].map((index) => secrets[`oracle ${index}`]);
const oracles = keys.map((key) => new Wallet(key).address);

const TYPES = {
  Observation: "uint64 epoch,uint64 committee,bytes32 contentHash",
  PeerMessage: "uint8 kind,uint64 epoch,uint64 committee,uint32 turn,bytes payload",
  EpochReport: "uint64 epoch,uint64 committee,bytes32 root,bytes32 parent,bytes32 anchor,bytes32 evidence",
  Receipt: "address node,uint64 epoch,uint32 firstTick,bytes ticks",
  ReallocationBatch: "uint64 committee,uint64 epoch,bytes32 root,uint64 expiry",
  Announcement: "address oracle,string endpoint,uint64 sequence",
};

function digestOf(name, domain, value) {
  const fields = TYPES[name].split(",").map((field) => field.split(" "));
  return TypedDataEncoder.hash(domain, { [name]: fields.map(([type, name]) => ({ type, name })) }, value);
}

const sign = (digest, signer) => new SigningKey(keys[signer]).sign(digest).compactSerialized;
const number = (value, size) => toBeHex(BigInt(value), size);
const ascii = (text) => hexlify(toUtf8Bytes(text));

const observations = vectors.observations.map(({ signer, epoch, committee, ticks, licences }) => {
  const entries = [...ticks, ...licences].map((one) =>
    concat([number(one.assignment ?? one.licence, 16), number(one.up, 4), number(one.observed, 4)]),
  );
  const counts = [ticks, licences].filter((list, place) => place === 0 || list.length > 0);
  const magic = ascii(licences.length > 0 ? "EOB2" : "EOB1");
  const head = concat([magic, number(epoch, 8), number(committee, 8), ...counts.map((list) => number(list.length, 4))]);
  const content = concat([head, ...entries]);
  const contentHash = keccak256(content);
  const digest = digestOf("Observation", domains.reports, { epoch, committee, contentHash });
  return { content, contentHash, digest, signature: sign(digest, signer) };
});

const refs = (list) =>
  concat([
    number(list.length, 2),
    ...list.map((ref) => concat([number(ref.epoch, 8), ref.contentHash, ref.signature])),
  ]);
const hashes = (list) => concat([number(list.length, 2), ...list]);
const PAYLOADS = {
  1: (body) => concat([refs(body.refs), hashes(body.appeals)]),
  2: (body) => concat([body.parent, body.anchor, refs(body.refs), hashes(body.appeals)]),
  3: (body) => concat([body.proposal, body.root, body.parent, body.anchor, body.evidence, body.signature]),
  4: (body) => {
    const text = ascii(body.text);
    const omitted = [refs(body.refs), hashes(body.appeals)];
    return concat([body.proposal, number(body.reason, 1), ...omitted, number(dataLength(text), 2), text]);
  },
};

const listed = (rows, encode) => concat([number(rows.length, 2), ...rows.map((row) => concat(encode(row)))]);
const claim = (one) => [
  number(one.assignment, 16),
  number(one.reason, 1),
  ...[one.earliest, one.as_of, one.latest].map((time) => number(time, 5)),
];
const asked = (one) => [number(one.assignment, 16), number(one.reason, 1), number(one.as_of, 5)];
Object.assign(PAYLOADS, {
  5: (body) => listed(body.breaches, claim),
  6: (body) => concat([number(body.expiry, 8), listed(body.requests, asked)]),
  7: (body) => concat([body.root, number(body.expiry, 8), body.signature]),
  8: (body) => concat([body.batch, number(dataLength(ascii(body.text)), 2), ascii(body.text)]),
});

const messages = vectors.messages.map(({ signer, kind, epoch, committee, turn, body }) => {
  const payload = PAYLOADS[kind](body);
  const digest = digestOf("PeerMessage", domains.reports, { kind, epoch, committee, turn, payload });
  const head = [ascii("EPM1"), number(kind, 1), number(epoch, 8), number(committee, 8), number(turn, 4)];
  const raw = concat([...head, number(dataLength(payload), 4), payload, sign(digest, signer)]);
  return { payload, digest, raw, ...(kind === 2 || kind === 6 ? { hash: keccak256(payload) } : {}) };
});

const reportDigest = digestOf("EpochReport", domains.reports, vectors.report.value);
const report = { digest: reportDigest, signature: sign(reportDigest, vectors.report.signer) };

// The requests of the batch among the messages: their ids, their tree, and what is signed.
const batch = vectors.messages.find(({ kind }) => kind === 6);
const { chainId, verifyingContract } = domains.requests;
const values = batch.body.requests.map((one) => {
  const named = [chainId, verifyingContract, one.assignment, batch.epoch, one.reason];
  const id = keccak256(AbiCoder.defaultAbiCoder().encode(["uint256", "address", "uint256", "uint64", "uint8"], named));
  return [id, one.assignment, one.reason, one.as_of];
});
const tree = StandardMerkleTree.of(values, ["bytes32", "uint256", "uint8", "uint40"], { sortLeaves: false });
const leaves = values.map((value, leaf) => ({ value, hash: tree.leafHash(value), proof: tree.getProof(leaf) }));
const value = { committee: batch.committee, epoch: batch.epoch, root: tree.root, expiry: batch.body.expiry };
const requestDigest = digestOf("ReallocationBatch", domains.requests, value);
const signature = sign(requestDigest, vectors.requests.signer);
const requests = { leaves, value, digest: requestDigest, signature };

// Who signed a receipt, where it begins, and its bytes: what appeals are ordered by.
function place(raw) {
  const [node, epoch, firstTick] = [dataSlice(raw, 1, 21), dataSlice(raw, 21, 29), dataSlice(raw, 29, 33)];
  const end = dataLength(raw) - 64;
  const value = { node, epoch: BigInt(epoch), firstTick: BigInt(firstTick), ticks: dataSlice(raw, 35, end) };
  const signer = recoverAddress(digestOf("Receipt", domains.heartbeats, value), dataSlice(raw, end));
  return concat([signer, dataSlice(raw, 29, 33), raw]);
}

const appeals = vectors.appeals.map(({ node, epoch, receipts }) => {
  const byPlace = new Map(receipts.map((raw) => [place(raw), raw]));
  const ordered = [...byPlace.keys()].sort().map((key) => byPlace.get(key));
  const listed = ordered.map((raw) => concat([number(dataLength(raw), 2), raw]));
  const raw = concat([ascii("EPA1"), node, number(epoch, 8), number(receipts.length, 2), ...listed]);
  return { raw, hash: keccak256(raw) };
});

const said = vectors.announcement;
const announced = digestOf("Announcement", domains.announcements, {
  oracle: oracles[said.signer],
  endpoint: said.endpoint,
  sequence: said.sequence,
});
const announcement = { digest: announced, signature: sign(announced, said.signer) };

// Canonical JSON: names in order, nothing between.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const named = Object.keys(value).sort();
  return `{${named.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}
const bundle = toUtf8Bytes(canonical(vectors.evidence.content));
const evidence = { size: bundle.length, hash: keccak256(bundle) };

const node = new Wallet(secrets.node).address;
process.stdout.write(
  JSON.stringify({ oracles, node, observations, messages, report, requests, appeals, announcement, evidence }),
);
