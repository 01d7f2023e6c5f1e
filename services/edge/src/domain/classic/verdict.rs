//! What a whole request is answered (semantics 8.2).

use weir_reasons::Reason;

use crate::domain::outcome::Outcome;

/// The worst that an event of it ended in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is stored, or of a kind that another try would not mend.
    #[default]
    Taken,
    /// A limit is reached: the SDK sends it again, later.
    Limited(Reason),
    /// Something of ours failed: the SDK sends it again.
    Failed(Reason),
}

impl Verdict {
    /// Takes one more event into account.
    pub fn add(&mut self, outcome: &Outcome) {
        let code = outcome.code;
        *self = match (*self, outcome.status) {
            (Self::Failed(first), _) => Self::Failed(first),
            (_, 500) => Self::Failed(code.unwrap_or(Reason::Internal)),
            (Self::Taken, 429) => Self::Limited(code.unwrap_or(Reason::ProfileLimit)),
            (before, _) => before,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(statuses: &[(u16, Option<Reason>)]) -> Verdict {
        let mut verdict = Verdict::default();
        for (status, code) in statuses {
            verdict.add(&Outcome {
                status: *status,
                code: *code,
                message: "".into(),
            });
        }
        verdict
    }

    #[test]
    fn the_request_comes_again_only_for_what_another_try_can_mend() {
        let limit = (429, Some(Reason::ActivityLimit));
        let failed = (500, Some(Reason::ContactsAway));
        let refused = (400, Some(Reason::NoIdentifier));
        let partial = (206, Some(Reason::ContactLimit));
        let plain = (200, None);
        assert_eq!(verdict(&[]), Verdict::Taken);
        assert_eq!(
            verdict(&[plain, refused, (422, Some(Reason::NoMapping)), partial]),
            Verdict::Taken
        );
        let limited = Verdict::Limited(Reason::ActivityLimit);
        assert_eq!(verdict(&[plain, limit, refused]), limited);
        let away = Verdict::Failed(Reason::ContactsAway);
        assert_eq!(verdict(&[failed, limit]), away);
        assert_eq!(
            verdict(&[limit, failed, (500, Some(Reason::Internal))]),
            away
        );
    }
}
