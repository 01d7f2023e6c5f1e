//! What a plan allows in one window (semantics 6.1).

/// More than this no counter and no limit goes: Lua's numbers are exact up to 2^53.
pub const MAX_UNITS: i64 = 1 << 52;

/// An amount of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    pub profile: i64,
    pub activity: i64,
}

/// What units are charged for; each store charges one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKind {
    Profile,
    Activity,
}

impl UnitKind {
    /// Those of this kind.
    pub fn of(self, units: Units) -> i64 {
        match self {
            Self::Profile => units.profile,
            Self::Activity => units.activity,
        }
    }
}

impl Units {
    /// Those of one kind.
    pub fn of_mut(&mut self, kind: UnitKind) -> &mut i64 {
        match kind {
            UnitKind::Profile => &mut self.profile,
            UnitKind::Activity => &mut self.activity,
        }
    }
}

/// What the limits are made of. Nothing in it is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entitlement {
    /// Included and additional ones.
    pub contacts: i64,
    /// Distinct ones that are mapped in the account.
    pub mapped_activities: i64,
    /// Profile units a contact.
    pub profile_factor: i64,
    /// Activity units a contact and mapped activity.
    pub activity_factor: i64,
}

impl Entitlement {
    /// The limits of one window: factor × contacts, and for activities × mapped ones.
    pub fn limits(self) -> Units {
        let cap = |units: i64| units.clamp(0, MAX_UNITS);
        Units {
            profile: cap(self.profile_factor.saturating_mul(self.contacts)),
            activity: cap(self
                .activity_factor
                .saturating_mul(self.contacts)
                .saturating_mul(self.mapped_activities)),
        }
    }

    /// How the limits come about, for people: `5 × 5,000 × 5 = 125,000`.
    pub fn formulas(self) -> Formulas {
        let limits = self.limits();
        Formulas {
            profile: product(&[self.profile_factor, self.contacts], limits.profile),
            activity: product(
                &[self.activity_factor, self.contacts, self.mapped_activities],
                limits.activity,
            ),
        }
    }
}

/// [`Entitlement::formulas`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formulas {
    pub profile: String,
    pub activity: String,
}

fn product(factors: &[i64], limit: i64) -> String {
    let factors: Vec<String> = factors.iter().map(|factor| grouped(*factor)).collect();
    let (factors, limit) = (factors.join(" × "), grouped(limit));
    format!("{factors} = {limit}")
}

/// With a comma before each three digits.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.max(0).to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(contacts: i64, mapped_activities: i64) -> Entitlement {
        Entitlement {
            contacts,
            mapped_activities,
            profile_factor: 10,
            activity_factor: 5,
        }
    }

    #[test]
    fn the_limits_follow_the_formula_of_the_source() {
        let limits = |contacts, activities| {
            let limits = plan(contacts, activities).limits();
            (limits.profile, limits.activity)
        };
        assert_eq!(limits(5_000, 5), (50_000, 125_000));
        assert_eq!(limits(20_000, 10), (200_000, 1_000_000));
        assert_eq!(limits(5_000, 0), (50_000, 0));
        assert_eq!(limits(0, 5), (0, 0));
    }

    #[test]
    fn the_product_is_written_out() {
        let formulas = plan(5_000, 5).formulas();
        assert_eq!(formulas.profile, "10 × 5,000 = 50,000");
        assert_eq!(formulas.activity, "5 × 5,000 × 5 = 125,000");
        let formulas = plan(20, 0).formulas();
        assert_eq!(formulas.profile, "10 × 20 = 200");
        assert_eq!(formulas.activity, "5 × 20 × 0 = 0");
        assert_eq!(
            plan(1_234_567, 0).formulas().profile,
            "10 × 1,234,567 = 12,345,670"
        );
    }

    proptest! {
        #[test]
        fn limits_never_overflow_and_grow_with_the_plan(
            contacts in 0..i64::MAX,
            more in 0..1_000_000_i64,
            activities in 0..i64::MAX,
            profile_factor in 0..i64::MAX,
            activity_factor in 0..i64::MAX,
        ) {
            let plan = Entitlement { contacts, mapped_activities: activities, profile_factor, activity_factor };
            let larger = Entitlement { contacts: contacts.saturating_add(more), ..plan };
            let (limits, larger) = (plan.limits(), larger.limits());
            prop_assert!((0..=MAX_UNITS).contains(&limits.profile));
            prop_assert!((0..=MAX_UNITS).contains(&limits.activity));
            prop_assert!(limits.profile <= larger.profile && limits.activity <= larger.activity);
        }
    }
}
