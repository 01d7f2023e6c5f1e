//! Countries whose phone numbers are known, by the two letters of ISO 3166.

use std::fmt;
use std::str::FromStr;

/// A country, or a territory with numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(&'static str);

/// A text that is none; says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownCountry(pub(super) String);

/// By letter. A test of the mapping service holds that its phone library knows these and no
/// other.
pub const COUNTRIES: &[&str] = &[
    "AC", "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AR", "AS", "AT", "AU", "AW", "AX", "AZ",
    "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS",
    "BT", "BW", "BY", "BZ", "CA", "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO",
    "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG",
    "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA", "GB", "GD", "GE", "GF", "GG",
    "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GT", "GU", "GW", "GY", "HK", "HN", "HR", "HT",
    "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP", "KE",
    "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR",
    "LS", "LT", "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN",
    "MO", "MP", "MQ", "MR", "MS", "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF",
    "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ", "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL",
    "PM", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS", "RU", "RW", "SA", "SB", "SC", "SD",
    "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST", "SV", "SX", "SY",
    "SZ", "TA", "TC", "TD", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW",
    "TZ", "UA", "UG", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "XK",
    "YE", "YT", "ZA", "ZM", "ZW",
];

impl Country {
    /// Two capital letters.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        if let Ok(index) = COUNTRIES.binary_search(&text) {
            return Ok(Self(COUNTRIES[index]));
        }
        let capitals = text.trim().to_ascii_uppercase();
        // What people write for the two that are called otherwise.
        let meant = match capitals.as_str() {
            "UK" => "GB",
            "EL" => "GR",
            other => other,
        };
        Err(UnknownCountry(if COUNTRIES.contains(&meant) {
            format!("a country is written in two capital letters: write {meant}")
        } else {
            "a country is expected as its two letters of ISO 3166, such as AU or US".to_owned()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_written_in_two_capital_letters() {
        assert!(COUNTRIES.is_sorted());
        for text in COUNTRIES {
            assert_eq!(text.parse::<Country>().unwrap().as_str(), *text);
        }
        for (text, why) in [
            ("au", "write AU"),
            (" NZ ", "write NZ"),
            ("UK", "write GB"),
            ("Australia", "such as AU"),
            ("XX", "such as AU"),
            ("", "such as AU"),
            ("+61", "such as AU"),
            ("A\u{16a}", "such as AU"),
        ] {
            let error = text.parse::<Country>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
