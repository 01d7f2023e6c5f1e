//! Where events happened (semantics 2.7): a mapped trait beats the location, which beats the
//! address; on a track both describe the activity.

use weir_testkit::{Network, mmdb};

use super::*;

const NETWORKS: [Network; 4] = [
    Network {
        network: "203.0.113.0/24",
        country: "Australia",
        region: "Victoria",
        city: "Melbourne",
        postal: "3000",
    },
    Network {
        network: "198.51.100.128/25",
        country: "Japan",
        region: "",
        city: "",
        postal: "",
    },
    Network {
        network: "192.0.2.7/32",
        country: " Chile\u{a0}",
        region: " ",
        city: "Con\u{0}ce",
        postal: "",
    },
    Network {
        network: "10.0.0.0/8",
        country: "",
        region: "",
        city: "",
        postal: "",
    },
];

fn places() -> Places {
    Places::read(mmdb(&NETWORKS)).unwrap()
}

fn located<'a>(kind: EventKind, traits: &'a str, location: &'a str, ip: &'a str) -> RawEvent<'a> {
    RawEvent {
        location: (!location.is_empty()).then_some(location.as_bytes()),
        ip: ip.as_bytes(),
        ..event(kind, traits, "{}")
    }
}

fn mapped(
    snapshot: &Snapshot,
    places: Option<&Places>,
    event: &RawEvent<'_>,
) -> (String, Traits, String) {
    let mut mapper = Mapper::new(snapshot, places);
    match mapper.map(event) {
        Outcome::Mapped {
            fields_json,
            traits,
            activity,
        } => {
            let attributes = activity.map(|activity| activity.attributes_json.to_string());
            let attributes = attributes.unwrap_or_default();
            (fields_json.to_string(), traits, attributes)
        }
        other => panic!("{other:?}"),
    }
}

const MELBOURNE: &str = r#"{"geo::country":"Australia","geo::region":"Victoria","geo::city":"Melbourne","str::postal":"3000"}"#;
const UTRECHT: &str = r#"{"country":"Netherlands","city":"Utrecht","state":"","post_code":null}"#;

fn with_city() -> Snapshot {
    snapshot(&[
        row("email", "str::email", ""),
        row("score", "int:cm:score", ""),
        row("city", "geo::city", ""),
    ])
}

#[test]
fn an_address_is_where_its_network_is() {
    let (snapshot, places) = (with_city(), places());
    for (ip, fields) in [
        ("203.0.113.9", MELBOURNE),
        ("198.51.100.200", r#"{"geo::country":"Japan"}"#),
        // The other half of the network is nowhere.
        ("198.51.100.7", ""),
        // Blank parts, and such as can't be stored, are nothing.
        ("192.0.2.7", r#"{"geo::country":"Chile"}"#),
        ("192.0.2.8", ""),
        ("10.0.0.1", ""),
        ("", ""),
        ("::1", ""),
        ("203.0.113", ""),
        ("203.0.113.9 ", ""),
    ] {
        for kind in [EventKind::Identify, EventKind::Member] {
            let event = located(kind, "{}", "", ip);
            // It is nothing that was said of the contact (semantics 2.8).
            let said = mapped(&snapshot, Some(&places), &event);
            assert_eq!((said.0.as_str(), said.1), (fields, Traits::None), "{ip}");
            let said = mapped(&snapshot, None, &event);
            assert_eq!((said.0.as_str(), said.1), ("", Traits::None), "{ip}");
        }
    }
}

#[test]
fn a_trait_beats_the_location_and_that_the_address() {
    let (snapshot, places) = (with_city(), places());
    let utrecht = r#"{"geo::country":"Netherlands","geo::city":"Utrecht"}"#;
    for (traits, location, fields, came_to) in [
        ("{}", UTRECHT, utrecht, Traits::Values),
        // Never a part of each.
        (
            "{}",
            r#"{"city":"Utrecht"}"#,
            r#"{"geo::city":"Utrecht"}"#,
            Traits::Values,
        ),
        ("{}", "{}", MELBOURNE, Traits::None),
        (
            "{}",
            r#"{"country":null,"city":""}"#,
            MELBOURNE,
            Traits::None,
        ),
        ("{}", r#"{"country":{}}"#, MELBOURNE, Traits::None),
        (
            r#"{"city":"Perth"}"#,
            UTRECHT,
            r#"{"geo::city":"Perth","geo::country":"Netherlands"}"#,
            Traits::Values,
        ),
        (
            r#"{"city":"Perth"}"#,
            "",
            r#"{"geo::city":"Perth","geo::country":"Australia","geo::region":"Victoria","str::postal":"3000"}"#,
            Traits::Values,
        ),
        (
            r#"{"city":null}"#,
            "",
            r#"{"geo::city":null,"geo::country":"Australia","geo::region":"Victoria","str::postal":"3000"}"#,
            Traits::Clears,
        ),
        // All that was said of the contact was ignored: where it was sent from changes nothing.
        (r#"{"score":"x"}"#, "", MELBOURNE, Traits::AllIgnored),
    ] {
        let event = located(EventKind::Identify, traits, location, "203.0.113.9");
        let said = mapped(&snapshot, Some(&places), &event);
        assert_eq!(
            (said.0.as_str(), said.1),
            (fields, came_to),
            "{traits} {location}"
        );
    }
}

#[test]
fn nobody_is_told_apart_by_where_an_address_is() {
    let rows = [row("email", "str::email", "")];
    let custom = HashMap::new();
    let unique = ["str::postal".parse().unwrap()];
    let mut snapshot = with_city();
    let rows = read_contact_mapping(&rows, &custom).unwrap();
    snapshot.contact = ContactMapping::compile(rows, &unique, &BlockedValues::default());
    let event = located(EventKind::Identify, "{}", "", "203.0.113.9");
    let (fields, _, _) = mapped(&snapshot, Some(&places()), &event);
    assert!(
        !fields.contains("3000") && fields.contains("Melbourne"),
        "{fields}"
    );
}

#[test]
fn on_a_track_both_describe_the_activity() {
    let (mut snapshot, places) = (with_city(), places());
    let track = |properties: &'static str, location: &'static str| RawEvent {
        properties: (!properties.is_empty()).then_some(properties.as_bytes()),
        ..located(EventKind::Track, "{}", location, "203.0.113.9")
    };
    for (properties, location, attributes) in [
        ("", "", MELBOURNE),
        ("{}", "{}", MELBOURNE),
        (
            "[]",
            UTRECHT,
            r#"{"geo::country":"Netherlands","geo::city":"Utrecht"}"#,
        ),
        (
            r#"{"count":3}"#,
            r#"{"city":"Utrecht"}"#,
            r#"{"count":3,"n \"quoted\"":"3","geo::city":"Utrecht"}"#,
        ),
    ] {
        let said = mapped(&snapshot, Some(&places), &track(properties, location));
        let expected = (String::new(), Traits::None, attributes.to_owned());
        assert_eq!(said, expected, "{properties} {location}");
    }
    let said = mapped(&snapshot, None, &track("", "{}"));
    assert_eq!(said.2, "{}");

    // An attribute of that name is the person's own.
    let login = snapshot.activities.remove("Login").unwrap();
    let own = [(row("where", "geo::city", ""), Some(ValueType::Integer))];
    let login = CompiledActivity::compile(ActivityMapping {
        activity: login.activity,
        attributes: read_attributes(&own).unwrap(),
    });
    snapshot.activities.insert("Login".to_owned(), login);
    let said = mapped(&snapshot, Some(&places), &track("{}", UTRECHT));
    assert_eq!(said.2, r#"{"geo::country":"Netherlands"}"#);
}

#[test]
fn what_is_no_database_is_refused_and_said_why() {
    let good = mmdb(&NETWORKS);
    assert_eq!(places().about(), ("Weir-Test-City", 1_752_127_740));
    for bytes in [
        vec![],
        b"GeoLite2".to_vec(),
        good[..good.len() - 40].to_vec(),
    ] {
        let error = Places::read(bytes).unwrap_err().to_string();
        assert!(
            error.starts_with("it is no database in MaxMind's format"),
            "{error}"
        );
    }
}

proptest! {
    /// A file that was written to while it was read must not end the process.
    #[test]
    fn a_broken_database_knows_nothing_or_something(
        at in 0..4_000_usize,
        byte in any::<u8>(),
        address in any::<u32>(),
    ) {
        let mut bytes = mmdb(&NETWORKS);
        let length = bytes.len();
        bytes[at % length] = byte;
        if let Ok(places) = Places::read(bytes) {
            for ip in [std::net::Ipv4Addr::from(address).to_string(), "203.0.113.9".to_owned()] {
                let place = places.find(ip.as_bytes());
                for name in ["country", "state", "city", "post_code", "planet"] {
                    let _ = place.as_ref().and_then(|place| place.part(name));
                }
            }
        }
    }
}
