// Connect's own clients against a server of ours: `node calls.mjs URL DESCRIPTORS`.
// Each protocol makes a call that succeeds, one that fails with details, and one that streams.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";

const [baseUrl, descriptors] = process.argv.slice(2);
const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const service = files.getService("weir.contact.v1.TransferService");

const transports = {
  "connect, JSON, HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "connect, JSON, HTTP/2": createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  "connect, binary, HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "connect, binary, HTTP/2": createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  "gRPC-Web, HTTP/1.1": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web, HTTP/2": createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  "gRPC": createGrpcTransport({ baseUrl }),
  "connect of browsers": web.createConnectTransport({ baseUrl }),
  "gRPC-Web of browsers": web.createGrpcWebTransport({ baseUrl }),
};

async function failed(promise) {
  const error = await promise.then(() => assert.fail("it succeeded"), (error) => error);
  assert.ok(error instanceof ConnectError, error);
  return error;
}

for (const [name, transport] of Object.entries(transports)) {
  const client = createClient(service, transport);

  const answer = await client.importContacts(
    { accountId: "a", firstRow: 1n, rows: [{ cells: ["x", "é"] }] },
    { timeoutMs: 8_000 },
  );
  assert.deepEqual(answer.results.map((result) => result.contactId), ["x", "é"], name);
  // It has the milliseconds that were left, of ten seconds where nothing is said.
  assert.ok(answer.units <= 8_000n, `${name}: the timeout came along`);

  const wrong = await failed(client.importContacts({ accountId: "wrong" }));
  assert.equal(wrong.code, Code.InvalidArgument, name);
  assert.equal(wrong.rawMessage, "columns[0]: is no column (and 1 more)", name);
  const kinds = wrong.details.map((detail) => detail.type);
  assert.ok(kinds.includes("google.rpc.ErrorInfo") && kinds.includes("google.rpc.BadRequest"), `${name}: ${kinds}`);

  const unknown = await failed(client.importContacts({ accountId: "unknown" }));
  assert.equal(unknown.code, Code.NotFound, name);
  const late = await failed(client.importContacts({ accountId: "hangs" }, { timeoutMs: 300 }));
  assert.equal(late.code, Code.DeadlineExceeded, name);

  let contacts = 0n;
  for await (const piece of client.exportContacts({ columns: ["a", "b", "c"] })) {
    assert.equal(piece.data.length, 100_000, name);
    contacts = piece.contacts;
  }
  assert.equal(contacts, 3n, name);
  const broken = await failed(
    (async () => {
      for await (const _ of client.exportContacts({ accountId: "breaks", columns: ["a"] }));
    })(),
  );
  assert.equal(broken.code, Code.Unavailable, name);
  console.log(`passed: ${name}`);
}
process.exit(0);
