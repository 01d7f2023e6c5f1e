//! What is a time of day, in which format (semantics 2.5).

use chrono::NaiveTime;

use super::*;

#[test]
fn times_of_day_are_strict() {
    let at = NaiveTime::from_hms_opt;
    assert_eq!(read_time("23:59"), at(23, 59, 0));
    assert_eq!(read_time("23:59:01"), at(23, 59, 1));
    for text in ["24:00", "9:00", "23:59:", "23:59:60", "23:59 ", "11:59 PM"] {
        assert_eq!(read_time(text), None, "{text}");
    }
    for (format, text, expected) in [
        ("HH:mm", "23:59", at(23, 59, 0)),
        ("HH:mm", "23:59:01", None),
        ("HH:mm:ss", "23:59:01", at(23, 59, 1)),
        ("HH:mm:ss", "23:59", None),
        ("h:mm A", "9:05 PM", at(21, 5, 0)),
        ("h:mm A", "11:05 am", at(11, 5, 0)),
        ("h:mm A", "12:00 AM", at(0, 0, 0)),
        ("h:mm A", "12:00 PM", at(12, 0, 0)),
        ("h:mm A", "0:30 AM", None),
        ("h:mm A", "13:00 PM", None),
        ("h:mm A", "9:05", None),
        ("h:mm A", "9:05 PM ", None),
        ("h:mm A", "9:05 AMPM", None),
        ("hhmmA", "0905pm", at(21, 5, 0)),
        ("hhmmA", "905pm", None),
        ("H.mm", "7.30", at(7, 30, 0)),
        ("HH[h]mm", "07h30", at(7, 30, 0)),
        ("A h", "PM 3", at(15, 0, 0)),
    ] {
        let read = format.parse::<TimeFormat>().unwrap().read(text);
        assert_eq!(read, expected, "{format}: {text}");
    }
}

#[test]
fn formats_of_times_that_cannot_be_meant_are_refused_and_said_why() {
    for (text, why) in [
        ("", "one hour"),
        ("mm:ss", "one hour"),
        ("HH:hh A", "one hour"),
        ("HH:mm A", "go with A"),
        ("h:mm", "go with A"),
        ("HH:ss", "seconds along with minutes"),
        ("HH:mm mm", "there once"),
        ("Hmm", "must not begin with a digit"),
        ("HH:mm a", "\"a\" is no token"),
        ("YYYY HH:mm", "\"YYYY\" is no token"),
        ("HHhmm", "one hour"),
        (" HH:mm", "begins or ends with white space"),
        ("h:mm A ", "begins or ends with white space"),
        ("h:mm  A", "white space twice"),
        ("ISO 8601", "\"I\" is no token"),
    ] {
        let error = text.parse::<TimeFormat>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}
