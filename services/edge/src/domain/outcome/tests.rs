use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    profile: 10,
    activity: 5,
    window_end: 1_752_192_000_000_000,
};

fn mapped(kind: Kind) -> Progress {
    let mut progress = Progress::new(kind, Start::Good, None);
    progress.mapping = Some(MappingVerdict::Mapped);
    progress
}

fn status(progress: &Progress) -> u16 {
    outcome(progress, &LIMITS).status
}

#[test]
fn an_identify_ends_as_its_contact_did() {
    for (said, expected) in [
        (Some(ContactSaid::Stored), 200),
        (Some(ContactSaid::Repeated), 200),
        (Some(ContactSaid::NothingNew), 422),
        (Some(ContactSaid::Refused), 422),
        (Some(ContactSaid::Deleted), 422),
        (Some(ContactSaid::NotFunded), 429),
        (Some(ContactSaid::Failed), 500),
        (Some(ContactSaid::NotFound), 500),
        (None, 500),
    ] {
        for kind in [Kind::Identify, Kind::Member] {
            let mut progress = mapped(kind);
            progress.contact = said;
            assert_eq!(status(&progress), expected, "{said:?}");
        }
    }
}

#[test]
fn a_plain_track_ends_as_its_activity_did() {
    for (said, expected) in [
        (Some(ActivitySaid::Stored), 200),
        (Some(ActivitySaid::Backlogged), 200),
        (Some(ActivitySaid::Repeated), 200),
        (Some(ActivitySaid::NotFunded), 429),
        (Some(ActivitySaid::Failed), 500),
        (None, 500),
    ] {
        let mut progress = mapped(Kind::Track);
        progress.activity = said;
        assert_eq!(status(&progress), expected, "{said:?}");
    }
}

#[test]
fn a_track_with_traits_is_206_where_only_the_activity_is_stored() {
    for (said, expected) in [
        (Some(ContactSaid::Stored), 200),
        (Some(ContactSaid::Repeated), 200),
        (Some(ContactSaid::NotFunded), 206),
        (Some(ContactSaid::Refused), 206),
        (Some(ContactSaid::Failed), 206),
        (Some(ContactSaid::Deleted), 422),
        (None, 500),
    ] {
        let mut progress = mapped(Kind::Track);
        progress.has_fields = true;
        progress.contact = said;
        progress.activity = Some(ActivitySaid::Stored);
        assert_eq!(status(&progress), expected, "{said:?}");
    }
}

#[test]
fn a_removal_is_never_lost_and_never_needs_somebody() {
    let mut progress = mapped(Kind::Track);
    progress.wish = Some(WishMode::Remove);
    progress.activity = Some(ActivitySaid::Stored);
    progress.contact = Some(ContactSaid::NotFound);
    assert_eq!(status(&progress), 200);
    progress.contact = Some(ContactSaid::Failed);
    assert_eq!(status(&progress), 500);
    progress.contact = Some(ContactSaid::Stored);
    assert_eq!(
        status(&progress),
        500,
        "nobody said that the wish was applied"
    );
    progress.applied = Some(WishSaid::HeldBack);
    assert_eq!(status(&progress), 200);
    progress.applied = Some(WishSaid::Failed);
    assert_eq!(status(&progress), 500);
}

#[test]
fn a_429_says_which_limit_and_until_when() {
    let mut progress = mapped(Kind::Identify);
    progress.contact = Some(ContactSaid::NotFunded);
    assert_eq!(
        outcome(&progress, &LIMITS).message,
        "the limit of 10 contact profile events in 24 hours is reached; \
         the window ends at 2025-07-11T00:00:00Z"
    );
}

fn anything() -> impl Strategy<Value = Progress> {
    use prop::option::of;
    use prop::sample::select;
    let contact = [
        ContactSaid::Stored,
        ContactSaid::Repeated,
        ContactSaid::NothingNew,
        ContactSaid::NotFunded,
        ContactSaid::Refused,
        ContactSaid::NotFound,
        ContactSaid::Deleted,
        ContactSaid::Failed,
    ];
    let activity = [
        ActivitySaid::Stored,
        ActivitySaid::Backlogged,
        ActivitySaid::Repeated,
        ActivitySaid::NotFunded,
        ActivitySaid::Failed,
    ];
    let applied = [
        WishSaid::Applied,
        WishSaid::HeldBack,
        WishSaid::Overtaken,
        WishSaid::UnknownAudience,
        WishSaid::Failed,
    ];
    let audience = [
        AudienceSaid::Usable,
        AudienceSaid::Unknown,
        AudienceSaid::OtherOrigin,
        AudienceSaid::Failed,
    ];
    let start = [
        Start::Good,
        Start::Good,
        Start::Echo,
        Start::Refused("x".into()),
    ];
    let mapping = [MappingVerdict::Mapped, MappingVerdict::Rejected("x".into())];
    (
        select(vec![Kind::Identify, Kind::Member, Kind::Track]),
        select(start.to_vec()),
        of(select(vec![WishMode::Add, WishMode::Remove])),
        of(select(audience.to_vec())),
        of(select(mapping.to_vec())),
        any::<bool>(),
        of(select(contact.to_vec())),
        of(select(activity.to_vec())),
        of(select(applied.to_vec())),
    )
        .prop_map(
            |(kind, start, wish, audience, mapping, has_fields, contact, activity, applied)| {
                Progress {
                    kind,
                    start,
                    wish,
                    audience,
                    mapping,
                    has_fields,
                    contact,
                    activity,
                    applied,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn whatever_was_said_there_is_one_outcome_of_the_table(progress in anything()) {
        let outcome = outcome(&progress, &LIMITS);
        prop_assert!([200, 206, 400, 422, 429, 500].contains(&outcome.status));
        prop_assert_eq!(outcome.status == 200, outcome.message.is_empty());
        prop_assert!(outcome.status != 206 || progress.kind == Kind::Track);
    }

    #[test]
    fn success_is_said_only_of_what_is_stored(progress in anything()) {
        let status = outcome(&progress, &LIMITS).status;
        if status == 200 && progress.start == Start::Good {
            let kept = match progress.kind {
                Kind::Track => matches!(
                    progress.activity,
                    Some(ActivitySaid::Stored | ActivitySaid::Backlogged | ActivitySaid::Repeated)
                ),
                _ => matches!(progress.contact, Some(ContactSaid::Stored | ContactSaid::Repeated)),
            };
            prop_assert!(kept, "{:?}", progress);
        }
    }
}
