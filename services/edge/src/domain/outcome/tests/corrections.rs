//! What was stored is taken anew (semantics 7.5a).

use super::*;

#[test]
fn a_correction_without_anything_to_correct_says_so() {
    let correction = |kind, contact, activity| Progress {
        correction: true,
        traits: Traits::Values,
        contact,
        activity,
        ..mapped(kind)
    };
    let nothing = Some(Reason::NothingToCorrect);
    let not_found = Some(ContactSaid::NotFound);
    let repeated = Some(ContactSaid::Repeated);
    let identify = |contact| correction(Kind::Identify, contact, None);
    assert_eq!(said(&identify(repeated)), (200, None));
    assert_eq!(said(&identify(not_found)), (422, nothing));
    let deleted = (422, Some(Reason::ContactDeleted));
    assert_eq!(said(&identify(Some(ContactSaid::Deleted))), deleted);
    let track = |contact, activity| correction(Kind::Track, contact, Some(activity));
    let there = ActivitySaid::Repeated;
    assert_eq!(said(&track(repeated, there)), (200, None));
    assert_eq!(said(&track(not_found, there)), (206, nothing));
    let gone = track(repeated, ActivitySaid::Gone);
    assert_eq!(said(&gone), (422, nothing));
    assert_eq!(outcome(&gone, &in_flight()).status, 422, "no unit helps");
    // What clears has nothing to clear.
    let clears = Progress {
        traits: Traits::Clears,
        ..track(not_found, there)
    };
    assert_eq!(said(&clears), (200, None));
}
