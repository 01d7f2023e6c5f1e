//! JSON that comes and goes as the text it is: a cast in a statement would copy every value
//! once more on its way in and out.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The version of `jsonb`'s binary form, which is otherwise the text.
const JSONB_VERSION: u8 = 1;

/// The text of a `json` or `jsonb` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonText<'a>(pub &'a str);

impl<'a> FromSql<'a> for JsonText<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let text = match (ty, raw) {
            (&Type::JSONB, [JSONB_VERSION, text @ ..]) => text,
            (&Type::JSONB, _) => return Err("an unknown version of jsonb".into()),
            _ => raw,
        };
        Ok(Self(std::str::from_utf8(text)?))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::JSON | Type::JSONB)
    }
}

impl ToSql for JsonText<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *ty == Type::JSONB {
            out.extend_from_slice(&[JSONB_VERSION]);
        }
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::JSON | Type::JSONB)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_went() {
        for ty in [Type::JSON, Type::JSONB] {
            let mut sent = BytesMut::new();
            JsonText("{\"a\":1}").to_sql(&ty, &mut sent).unwrap();
            assert_eq!(
                JsonText::from_sql(&ty, &sent).unwrap(),
                JsonText("{\"a\":1}")
            );
        }
        assert!(JsonText::from_sql(&Type::JSONB, b"{}").is_err());
        assert!(!<JsonText<'_> as ToSql>::accepts(&Type::TEXT));
    }
}
