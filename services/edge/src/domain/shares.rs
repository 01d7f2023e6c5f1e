//! Memory that accounts share: nobody may hold more than is left to all others. So one alone
//! gets a half, two get a third each, and whoever comes next finds some, however many there are.

use std::collections::HashMap;

#[derive(Debug)]
pub struct Shares {
    most: usize,
    held: usize,
    /// Accounts that hold nothing are not in it.
    by_account: HashMap<String, usize>,
}

impl Shares {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            held: 0,
            by_account: HashMap::new(),
        }
    }

    /// Takes `more` for an account, if it may have that.
    pub fn take(&mut self, account: &str, more: usize) -> bool {
        let own = self.of(account).saturating_add(more);
        let held = self.held.saturating_add(more);
        let fits = held <= self.most && own <= self.most - held;
        if fits {
            self.put(account, more);
        }
        fits
    }

    /// Puts down what an account holds already, whether or not it may.
    pub fn put(&mut self, account: &str, more: usize) {
        self.held += more;
        match self.by_account.get_mut(account) {
            Some(own) => *own += more,
            None => {
                self.by_account.insert(account.to_owned(), more);
            }
        }
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, account: &str, less: usize) {
        self.held -= less;
        if let Some(own) = self.by_account.get_mut(account) {
            *own -= less;
            if *own == 0 {
                self.by_account.remove(account);
            }
        }
    }

    fn of(&self, account: &str) -> usize {
        self.by_account.get(account).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes one by one for as long as it may.
    fn fill(shares: &mut Shares, account: &str) -> usize {
        (0..).take_while(|_| shares.take(account, 1)).count()
    }

    #[test]
    fn one_alone_gets_a_half_and_the_next_ones_find_some() {
        let mut shares = Shares::new(96);
        assert_eq!(fill(&mut shares, "a"), 48);
        assert_eq!(fill(&mut shares, "b"), 24);
        assert_eq!(fill(&mut shares, "c"), 12);
        assert!(!shares.take("a", 1));
        shares.give_back("a", 48);
        assert!(!shares.by_account.contains_key("a"));
        assert!(shares.take("b", 1));
    }

    #[test]
    fn two_that_grow_together_get_a_third_each() {
        let mut shares = Shares::new(96);
        while shares.take("a", 1) | shares.take("b", 1) {}
        assert_eq!((shares.of("a"), shares.of("b")), (32, 32));
    }

    #[test]
    fn what_is_held_already_counts() {
        let mut shares = Shares::new(8);
        shares.put("a", 20);
        assert!(!shares.take("b", 1));
        shares.give_back("a", 20);
        assert!(shares.take("b", 4));
        assert!(!shares.take("b", usize::MAX));
    }

    proptest! {
        #[test]
        fn nobody_holds_more_than_is_left_when_it_takes(
            asks in prop::collection::vec((0..6_u8, 1..40_usize), 1..60),
        ) {
            let mut shares = Shares::new(100);
            for (account, more) in asks {
                let account = account.to_string();
                if shares.take(&account, more) {
                    prop_assert!(shares.of(&account) <= 100 - shares.held);
                    prop_assert!(shares.of(&account) <= 50);
                }
                prop_assert_eq!(shares.held, shares.by_account.values().sum::<usize>());
            }
        }
    }
}
