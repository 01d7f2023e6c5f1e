//! What a page says once something was done: a closed list, since its code stands in the address.

/// What was done, in a sentence; none for what is no code.
pub fn done(code: &str, number: Option<u64>) -> Option<String> {
    let of = |one: &str| Some(one.to_owned());
    match code {
        "saved" => of("Saved. It is live everywhere within a second."),
        "version" => Some(match number {
            Some(version) => {
                format!("Saved as version {version}. It is live everywhere within a second.")
            }
            None => "Saved. It is live everywhere within a second.".to_owned(),
        }),
        "reindex" => {
            let saved = match number {
                Some(version) => format!(
                    "Saved as version {version}: the mapping is live everywhere within a second. "
                ),
                None => String::new(),
            };
            Some(format!(
                "{saved}What tells contacts apart is changing: contacts are being looked at, and \
                 this page says how far that is."
            ))
        }
        "same" => of("Nothing was changed: it stands like that already."),
        "restored" => of("The older version was brought back, as a new one."),
        "field" => of("The field was made, and is ticked below."),
        "key-revoked" => of("The key was revoked. It ends everywhere within 60 seconds."),
        "paused" => of("The source is paused: its requests are told to come again later."),
        "resumed" => of("The source takes requests again, everywhere within three seconds."),
        "renamed" => of("The source has its new name."),
        "deleted" => of("It was deleted."),
        "copied" => of("The mapping was copied."),
        "activity" => of("The activity was added. Events of this name are stored from now on."),
        "unmapped" => of("The activity is not mapped any more, and its slot is free."),
        "replay-stopped" => of("The replay is stopped. What was under way is finished."),
        "replay-ended" => of("The replay has come to its end already: there was nothing to steer."),
        "replay-resumed" => of("The replay goes on."),
        "merged" => of("Both contacts are one now."),
        "split" => of("The merge was undone: both contacts are there again, and are kept apart."),
        "alert" => of("Noted: somebody has seen to it."),
        "audience" => of("The audience was made."),
        "audience-there" => of("There is an audience of this name already; here it is."),
        "sync" => of("The sync has begun. It ends within a minute or so; this page tells."),
        "token-revoked" => of("The token was revoked. It is refused everywhere within seconds."),
        "access-ended" => Some(match number {
            Some(1) => "1 token was ended. It is refused everywhere within seconds, and so are \
                        sessions that came by it."
                .to_owned(),
            Some(many) => format!(
                "{many} tokens were ended. They are refused everywhere within seconds, and so are \
                 sessions that came by them."
            ),
            None => "All their access was ended.".to_owned(),
        }),
        "access-none" => of("Nothing was ended: none of their tokens was good any more."),
        "signed-in" => of("You are signed in."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_said() {
        assert!(done("saved", None).is_some());
        let version = done("version", Some(8)).unwrap();
        assert!(version.starts_with("Saved as version 8."), "{version}");
        let reindex = done("reindex", Some(10)).unwrap();
        assert!(reindex.starts_with("Saved as version 10: the mapping"));
        assert!(
            reindex.contains("contacts are being looked at"),
            "{reindex}"
        );
        assert_eq!(done("<script>", None), None);
    }
}
