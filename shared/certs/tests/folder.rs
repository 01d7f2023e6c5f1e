//! What becomes of a folder of certificates.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use weir_certs::{Authority, Holder, Lifetime, Made, days_left, files, holders};

#[test]
fn what_is_good_stays_and_what_is_not_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, made) = Authority::open(folder).unwrap();
    assert_eq!(made, Made::New);
    let edge = Holder::new("edge", &["edge", "127.0.0.1", "::1", "spiffe://weir/edge"]);
    assert_eq!(authority.renew(&edge).unwrap(), Made::New);
    assert_eq!(authority.renew(&edge).unwrap(), Made::Kept);
    // For one name more.
    let more = Holder::new("edge", &["edge", "events.example.org"]);
    assert_eq!(authority.renew(&more).unwrap(), Made::Renewed);
    // Soon over.
    let lifetime = Lifetime {
        from: -9,
        until: 20,
    };
    authority.make(&more, lifetime).unwrap();
    assert_eq!(authority.renew(&more).unwrap(), Made::Renewed);
    let text = fs::read_to_string(files(folder, "edge").0).unwrap();
    assert!(days_left(&text).unwrap() > 390.0);

    let (again, made) = Authority::open(folder).unwrap();
    assert_eq!(made, Made::Kept);
    assert_eq!(again.renew(&more).unwrap(), Made::Kept);

    // Of another authority.
    for name in ["ca.pem", "ca.key"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    let (other, made) = Authority::open(folder).unwrap();
    assert_eq!(made, Made::New);
    assert_eq!(other.renew(&more).unwrap(), Made::Renewed);
    // A half is nobody's.
    fs::remove_file(folder.join("ca.key")).unwrap();
    let error = Authority::open(folder).err().unwrap().to_string();
    assert!(error.contains("ca.key is not"), "{error}");
}

#[test]
fn keys_are_readable_by_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, _) = Authority::open(folder).unwrap();
    let all = holders(&["weir.example.org".to_owned()]);
    assert_eq!(all.len(), 10);
    for holder in &all {
        authority.renew(holder).unwrap();
    }
    let mode = |name: &str| {
        fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    for name in all.iter().map(|holder| &*holder.name).chain(["ca"]) {
        assert_eq!(mode(&format!("{name}.key")), 0o600);
        assert_eq!(mode(&format!("{name}.pem")), 0o644);
    }
}

#[test]
fn a_name_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::open(folder.path()).unwrap();
    for name in ["", "a b", "http://a", "é"] {
        assert!(
            authority.renew(&Holder::new("x", &[name])).is_err(),
            "{name}"
        );
    }
}
