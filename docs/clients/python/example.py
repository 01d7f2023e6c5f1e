"""Three calls to a running Weir, and an error that says what is wrong with which field."""

import os
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from weir.contact.v1 import contact_pb2, contact_pb2_grpc
from weir.mapping.v1 import mapping_pb2, mapping_pb2_grpc

CONTACT = os.environ.get("WEIR_CONTACT", "http://127.0.0.1:7002")
MAPPING = os.environ.get("WEIR_MAPPING", "http://127.0.0.1:7001")
ACCOUNT = os.environ["WEIR_ACCOUNT"]
USER = os.environ["WEIR_USER"]
TOKEN = os.environ.get("WEIR_TOKEN")

# Goes along with every call.
METADATA = [("authorization", f"Bearer {TOKEN}")] if TOKEN else []
# Seconds; a call that is given no time gets ten.
TIMEOUT = 10


def connect(url):
    """A channel to one service: it may be kept, and used by many threads."""
    scheme, address = url.rstrip("/").split("://")
    if scheme == "https":
        return grpc.secure_channel(address, grpc.ssl_channel_credentials())
    return grpc.insecure_channel(address)


def list_contacts(contacts):
    """All contacts of the account, page by page."""
    token = ""
    while True:
        request = contact_pb2.ListContactsRequest(
            account_id=ACCOUNT, page_size=2, page_token=token
        )
        page = contacts.ListContacts(request, metadata=METADATA, timeout=TIMEOUT)
        yield from page.contacts
        token = page.next_page_token
        if not token:
            return


def get_contact(contacts):
    """One contact, by what the customer calls them."""
    request = contact_pb2.GetContactRequest(account_id=ACCOUNT, user_id=USER)
    return contacts.GetContact(request, metadata=METADATA, timeout=TIMEOUT).contact


def put_source(mapping):
    """A data source, made or found: the same call again changes nothing."""
    request = mapping_pb2.PutSourceRequest(
        account_id=ACCOUNT,
        name="Point of sale",
        kind=mapping_pb2.SOURCE_KIND_SEGMENT_CLASSIC,
    )
    return mapping.PutSource(request, metadata=METADATA, timeout=TIMEOUT)


def put_a_wrong_mapping(mapping, source_id):
    """Is refused, and changes nothing."""
    rows = [
        mapping_pb2.FieldMapping(trait_path="address..city", field_id="geo::city"),
        mapping_pb2.FieldMapping(trait_path="nickname", field_id="str::nowhere"),
    ]
    request = mapping_pb2.PutContactMappingRequest(
        account_id=ACCOUNT, source_id=source_id, mappings=rows
    )
    mapping.PutContactMapping(request, metadata=METADATA, timeout=TIMEOUT)


def explain(error):
    """What an error says besides its code: the reason, and what is wrong with which field."""
    print(f"{error.code().name}: {error.details()}")
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            print(f"reason {info.reason}")
        wrong = error_details_pb2.BadRequest()
        if detail.Unpack(wrong):
            for violation in wrong.field_violations:
                print(f"field {violation.field}: {violation.description}")


def main():
    with connect(CONTACT) as contact_channel, connect(MAPPING) as mapping_channel:
        contacts = contact_pb2_grpc.ContactServiceStub(contact_channel)
        mapping = mapping_pb2_grpc.MappingServiceStub(mapping_channel)

        print(f"contacts {sum(1 for _ in list_contacts(contacts))}")

        contact = get_contact(contacts)
        print(f"contact {contact.contact_id} has {len(contact.fields)} fields")

        put = put_source(mapping)
        change = mapping_pb2.ChangeKind.Name(put.change)
        print(f"source {put.source.name} {change}")

        try:
            put_a_wrong_mapping(mapping, put.source.source_id)
        except grpc.RpcError as error:
            explain(error)
        else:
            sys.exit("a wrong mapping was taken")


if __name__ == "__main__":
    main()
