// Three calls to a running Weir, and an error that says what is wrong with which field.

import { Code, ConnectError, createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { BadRequestSchema, ErrorInfoSchema } from "./generated/google/rpc/error_details_pb.js";
import { ContactService } from "./generated/weir/contact/v1/contact_pb.js";
import { ChangeKind, MappingService, SourceKind } from "./generated/weir/mapping/v1/mapping_pb.js";

const {
  WEIR_CONTACT = "http://127.0.0.1:7002",
  WEIR_MAPPING = "http://127.0.0.1:7001",
  WEIR_ACCOUNT: accountId = "",
  WEIR_USER: userId = "",
  WEIR_TOKEN: token,
} = process.env;

// Goes along with every call.
const authorize: Interceptor = (next) => (request) => {
  if (token) {
    request.header.set("authorization", `Bearer ${token}`);
  }
  return next(request);
};

// A transport to one service: it may be kept.
const transport = (baseUrl: string) =>
  createGrpcTransport({ baseUrl, interceptors: [authorize], defaultTimeoutMs: 10_000 });

const contacts = createClient(ContactService, transport(WEIR_CONTACT));
const mapping = createClient(MappingService, transport(WEIR_MAPPING));

/** All contacts of the account, page by page. */
async function* listContacts(client: Client<typeof ContactService>) {
  let pageToken = "";
  do {
    const page = await client.listContacts({ accountId, pageSize: 2, pageToken });
    yield* page.contacts;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

/** What an error says besides its code: the reason, and what is wrong with which field. */
function explain(error: ConnectError) {
  console.log(`${Code[error.code]}: ${error.rawMessage}`);
  for (const info of error.findDetails(ErrorInfoSchema)) {
    console.log(`reason ${info.reason}`);
  }
  for (const wrong of error.findDetails(BadRequestSchema)) {
    for (const violation of wrong.fieldViolations) {
      console.log(`field ${violation.field}: ${violation.description}`);
    }
  }
}

let count = 0;
for await (const _ of listContacts(contacts)) {
  count += 1;
}
console.log(`contacts ${count}`);

// One contact, by what the customer calls them.
const { contact } = await contacts.getContact({ accountId, key: { case: "userId", value: userId } });
console.log(`contact ${contact?.contactId} has ${contact?.fields.length} fields`);

// A data source, made or found: the same call again changes nothing.
const { source, change } = await mapping.putSource({
  accountId,
  name: "Point of sale",
  kind: SourceKind.SEGMENT_CLASSIC,
});
console.log(`source ${source?.name} ${ChangeKind[change]}`);

// Is refused, and changes nothing.
try {
  await mapping.putContactMapping({
    accountId,
    sourceId: source?.sourceId ?? "",
    mappings: [
      { traitPath: "address..city", fieldId: "geo::city" },
      { traitPath: "nickname", fieldId: "str::nowhere" },
    ],
  });
  throw new Error("a wrong mapping was taken");
} catch (error) {
  if (!(error instanceof ConnectError)) {
    throw error;
  }
  explain(error);
}
