//! Who may do what (semantics 9), as pure rules: what a call needs, who makes it, yes or no.
//!
//! What each RPC needs is declared beside it in its proto; the one layer that asks is in
//! `weir-rpc`. Here is nothing of the wire and nothing of storage: the tokens that are good now
//! are given from outside ([`LiveTokens::replace`]), and found from memory.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod caller;
mod decide;
mod tokens;

pub use caller::{Accounts, Caller, Role, Who};
pub use decide::{Need, On, Refused, decide, foresee};
pub use tokens::{
    HashKey, LiveToken, LiveTokens, MAX_TOKENS, PREFIX, Rehashed, STANDS, TokenHash, TooMany, Use,
    token,
};
