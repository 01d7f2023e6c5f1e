//! Who may call what (semantics 9.1-9.3).

use weir_testkit::assert_callers;

use crate::harness::Service;

#[tokio::test]
async fn each_call_is_for_whom_it_declares_and_nobody_else() {
    let service = Service::start().await;
    assert_callers(
        &service.url(),
        &[
            "weir.contact.v1",
            "weir.ledger.v1",
            "weir.erasure.v1",
            "weir.access.v1.ChangeLogService",
        ],
    )
    .await;
}
