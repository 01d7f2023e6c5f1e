//! Lists, whole.

/// Asks for all pages, one after another, and does something with each.
macro_rules! pages {
    ($client:expr, $method:ident, $request:expr, |$page:ident| $take:expr) => {{
        let mut request = $request;
        loop {
            let answer = $client.$method(request.clone()).await;
            let answer = answer.map_err(|status| $crate::accounts::failed(&status))?;
            let mut answer = answer.into_inner();
            request.page_token = std::mem::take(&mut answer.next_page_token);
            let $page = answer;
            $take;
            if request.page_token.is_empty() {
                break;
            }
        }
    }};
}
pub(super) use pages;
