//! Who may call what (semantics 9.1-9.3).

use weir_testkit::assert_callers;

use crate::harness::Service;

#[tokio::test]
async fn each_call_is_for_whom_it_declares_and_nobody_else() {
    let (service, _) = Service::start().await;
    assert_callers(
        &service.url(),
        &[
            "weir.mapping.v1",
            "weir.access.v1.TokenService",
            "weir.access.v1.ChangeService",
        ],
    )
    .await;
}
