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

/// The next in turn of those of the best rank that have about as few calls under way as the
/// idlest. That one alone would have most of the work as soon as it is a little faster; up to
/// half more than it has, the others have their turn. `replicas` are ranks and numbers of calls
/// under way.
pub(super) fn choose(
    count: usize,
    turn: usize,
    replica: impl Fn(usize) -> Option<(Rank, usize)>,
) -> Option<usize> {
    let standings = (0..count).filter_map(|index| Some((replica(index)?, index)));
    let ((best, fewest), idlest) = standings.min()?;
    let mut in_turn = (0..count).map(|n| turn.wrapping_add(n) % count);
    let idle = |index: &usize| {
        replica(*index).is_some_and(|(rank, calls)| rank == best && calls <= fewest + fewest / 2)
    };
    // All may have become busier since they were looked at.
    Some(in_turn.find(idle).unwrap_or(idlest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(replicas: &[(Rank, usize)], turn: usize) -> Option<usize> {
        choose(replicas.len(), turn, |index| Some(replicas[index]))
    }

    #[test]
    fn those_that_are_well_come_first_and_of_them_the_idle() {
        use Rank::{Failing, Other, Unasked, Well};
        assert_eq!(chosen(&[(Well, 3), (Well, 1), (Well, 2)], 0), Some(1));
        assert_eq!(chosen(&[(Well, 0), (Well, 1)], 1), Some(0));
        assert_eq!(chosen(&[(Unasked, 0), (Well, 9), (Failing, 0)], 0), Some(1));
        assert_eq!(
            chosen(&[(Failing, 9), (Failing, 4), (Other, 0)], 2),
            Some(1)
        );
        assert_eq!(chosen(&[(Other, 0)], 7), Some(0));
        assert_eq!(choose(2, 0, |_| None), None);
    }

    #[test]
    fn about_as_busy_is_as_good() {
        assert_eq!(chosen(&[(Rank::Well, 15), (Rank::Well, 10)], 0), Some(0));
        assert_eq!(chosen(&[(Rank::Well, 16), (Rank::Well, 10)], 0), Some(1));
    }

    #[test]
    fn ties_go_round() {
        let replicas = [(Rank::Well, 0); 3];
        let turns = [0, 1, 2, 3, usize::MAX];
        let round = turns.map(|turn| chosen(&replicas, turn));
        assert_eq!(round, [Some(0), Some(1), Some(2), Some(0), Some(0)]);
    }
}
