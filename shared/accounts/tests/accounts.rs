//! Asking for accounts, of a server that answers as mapping does.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::net::TcpListener;
use weir_accounts::Accounts;
use weir_ids::AccountId;
use weir_rpc::{Deadline, Silent};
use weir_testkit::Others;

const AWAY: Silent = Silent::Away("mapping");
const LATE: Silent = Silent::Late("mapping");

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

#[tokio::test]
async fn an_account_that_is_there_is_asked_for_once() {
    let others = Others::start().await;
    let accounts = Accounts::connect(&others.url).unwrap();
    let account = AccountId::new();
    for _again in 0..3 {
        assert_eq!(accounts.exists(account, soon()).await, Ok(true));
    }
    assert_eq!(others.asked(), 1);
}

#[tokio::test]
async fn an_account_that_was_just_made_is_found_at_once() {
    let others = Others::start().await;
    let accounts = Accounts::connect(&others.url).unwrap();
    let account = AccountId::new();
    others.set_account(account.0, false);
    assert_eq!(accounts.exists(account, soon()).await, Ok(false));
    others.set_account(account.0, true);
    assert_eq!(accounts.exists(account, soon()).await, Ok(true));
}

#[tokio::test]
async fn without_mapping_nobody_is_said_to_be_unknown() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let accounts = Accounts::connect(&format!("http://{address}")).unwrap();
    assert_eq!(accounts.exists(AccountId::new(), soon()).await, Err(AWAY));
    let others = Others::start().await;
    let accounts = Accounts::connect(&others.url).unwrap();
    others.set_away(true);
    assert_eq!(accounts.exists(AccountId::new(), soon()).await, Err(AWAY));
}

#[tokio::test]
async fn mapping_that_hangs_is_late_and_not_away() {
    // It takes connections, and says nothing.
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hung.local_addr().unwrap();
    let accounts = Accounts::connect(&format!("http://{address}")).unwrap();
    let short = Deadline::after(Duration::from_millis(200));
    assert_eq!(accounts.exists(AccountId::new(), short).await, Err(LATE));
    let over = Deadline::after(Duration::ZERO);
    assert_eq!(accounts.exists(AccountId::new(), over).await, Err(LATE));
}
