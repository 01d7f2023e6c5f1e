//! Which replica a call goes to.

/// How a replica stands, as far as the choice goes; from the best down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Its health was asked, and it serves.
    Well,
    /// Nothing is known of it yet.
    Unasked,
    /// It failed, or can't serve now.
    Failing,
    /// It does not know what is asked of it.
    Other,
}

impl Rank {
    pub fn is_left_out(self) -> bool {
        self >= Self::Failing
    }
}

/// The one of the best rank with the fewest calls under way; of several that are alike the
/// first from `turn` on. `replicas` are ranks and numbers of calls under way.
pub(super) fn choose(
    count: usize,
    turn: usize,
    replica: impl Fn(usize) -> Option<(Rank, usize)>,
) -> Option<usize> {
    let candidates = (0..count).map(|n| turn.wrapping_add(n) % count);
    candidates
        .filter_map(|index| Some((replica(index)?, index)))
        .min_by_key(|(standing, _)| *standing)
        .map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(replicas: &[(Rank, usize)], turn: usize) -> Option<usize> {
        choose(replicas.len(), turn, |index| Some(replicas[index]))
    }

    #[test]
    fn the_idlest_of_those_that_are_well_gets_the_call() {
        use Rank::{Failing, Other, Unasked, Well};
        assert_eq!(chosen(&[(Well, 3), (Well, 1), (Well, 2)], 0), Some(1));
        assert_eq!(chosen(&[(Unasked, 0), (Well, 9), (Failing, 0)], 0), Some(1));
        assert_eq!(
            chosen(&[(Failing, 5), (Failing, 4), (Other, 0)], 2),
            Some(1)
        );
        assert_eq!(chosen(&[(Other, 0)], 7), Some(0));
        assert_eq!(choose(2, 0, |_| None), None);
    }

    #[test]
    fn ties_go_round() {
        let replicas = [(Rank::Well, 0); 3];
        let turns = [0, 1, 2, 3, usize::MAX];
        let round = turns.map(|turn| chosen(&replicas, turn));
        assert_eq!(round, [Some(0), Some(1), Some(2), Some(0), Some(0)]);
    }
}
