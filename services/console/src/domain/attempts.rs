//! How often somebody may be wrong about a password.

use chrono::TimeDelta;

use super::Time;

/// Who mistypes is not made to wait.
const FREE: u32 = 5;
/// Nobody waits longer: whoever tries on and on is to keep others out for no longer than this.
const LONGEST: i64 = 60;
/// After so long without an attempt nothing is remembered.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(15);

/// Those that were wrong, since one was right.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempts {
    wrong: u32,
    last: Option<Time>,
}

impl Attempts {
    /// # Errors
    /// Not yet: in so many seconds.
    pub fn may_try(&self, now: Time) -> Result<(), i64> {
        let Some(last) = self.last.filter(|last| now - *last < FORGOTTEN) else {
            return Ok(());
        };
        let left = self.pause() - (now - last).num_seconds();
        if left > 0 { Err(left) } else { Ok(()) }
    }

    /// One was wrong.
    pub fn was_wrong(&mut self, now: Time) {
        if self.last.is_some_and(|last| now - last >= FORGOTTEN) {
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last = Some(now);
    }

    /// Seconds between the last attempt and the next: twice as many each time.
    fn pause(&self) -> i64 {
        match self.wrong.checked_sub(FREE) {
            None => 0,
            Some(more) => 2_i64.saturating_pow(more).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    // Semantics 9.4.
    #[test]
    fn who_is_wrong_again_and_again_waits_longer_and_longer() {
        let mut attempts = Attempts::default();
        for _ in 0..FREE {
            assert_eq!(attempts.may_try(at(0)), Ok(()));
            attempts.was_wrong(at(0));
        }
        assert_eq!(attempts.may_try(at(0)), Err(1));
        assert_eq!(attempts.may_try(at(1)), Ok(()));
        attempts.was_wrong(at(1));
        assert_eq!(attempts.may_try(at(2)), Err(1));
        for _ in 0..100 {
            attempts.was_wrong(at(10));
        }
        assert_eq!(attempts.may_try(at(10)), Err(LONGEST), "and never longer");
        assert_eq!(attempts.may_try(at(10 + LONGEST)), Ok(()));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut attempts = Attempts::default();
        for _ in 0..20 {
            attempts.was_wrong(at(0));
        }
        let later = at(FORGOTTEN.num_seconds());
        assert_eq!(attempts.may_try(later), Ok(()));
        attempts.was_wrong(later);
        assert_eq!(attempts.may_try(later), Ok(()), "it counts anew");
    }
}
