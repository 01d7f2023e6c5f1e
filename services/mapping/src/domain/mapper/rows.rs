//! The rows of a mapping over one object of an event: what each of them takes (semantics 2.2).

use weir_json::Raw;
use weir_reasons::Reason;

use super::outcome::Tally;
use super::{About, MAX_EVENT_TEXT, Mapper};
use crate::domain::convert::{Failure, LeftOut, Taken};
use crate::domain::event::RawEvent;
use crate::domain::snapshot::{Asked, CompiledPath, CompiledRow};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing was there, or what counts as nothing.
    Nothing,
    /// What was there was ignored.
    Ignored,
    /// A null that clears.
    Cleared,
    /// A value, by the path of this index.
    Value(u8),
}

impl Said {
    /// Whether the row decides what its target becomes.
    pub fn counts(self) -> bool {
        matches!(self, Self::Cleared | Self::Value(_))
    }
}

/// The event and the object of it that rows are asked about.
#[derive(Clone, Copy)]
struct Asking<'e, 'a, 'm> {
    event: &'e RawEvent<'a>,
    asked: &'e Asked<'m>,
}

impl<'a> Mapper<'_, '_, 'a> {
    /// Appends what converts; logs what does not.
    pub(super) fn convert(
        &mut self,
        event: &RawEvent<'a>,
        asked: &Asked<'_>,
        object: Raw<'a>,
        out: &mut String,
    ) -> Tally {
        let mut tally = Tally::default();
        self.said.clear();
        self.said.resize(asked.mapping.rows.len(), Said::Nothing);
        if weir_json::is_empty_list(object) {
            // An object of PHP that has nothing in it (semantics 2.6).
            return tally;
        }
        if asked.mapping.paths.find(object, &mut self.found).is_err() {
            let about = About {
                path: asked.root.to_owned(),
                field_id: "",
                code: Reason::ObjectInvalid,
                count: 1,
            };
            self.ignore(event, about, "expected an object".to_owned(), object);
            return tally;
        }
        let asking = Asking { event, asked };
        let mut left_out = std::mem::take(&mut self.left_out);
        for (index, row) in asked.mapping.rows.iter().enumerate() {
            let mut said = self.take(asking, row, &row.source, out, &mut left_out);
            if !row.fallbacks.is_empty() && said != Said::Value(0) {
                said = self.fall_back(asking, row, said, out, &mut left_out);
            }
            match said {
                Said::Value(_) => tally.values += 1,
                Said::Cleared if asked.nulls_clear => {
                    begin(row, out);
                    out.push_str("null");
                    tally.clears += 1;
                }
                Said::Cleared => said = Said::Nothing,
                Said::Ignored => tally.ignored += 1,
                Said::Nothing => {}
            }
            self.said[index] = said;
        }
        self.left_out = left_out;
        tally
    }

    /// Appends the value that the path leads to, if it is one.
    #[inline]
    fn take(
        &mut self,
        asking: Asking<'_, 'a, '_>,
        row: &CompiledRow,
        source: &CompiledPath,
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Said {
        let Some(raw) = self.found[source.slot].and_then(|found| source.reach(found)) else {
            return Said::Nothing;
        };
        let before = out.len();
        begin(row, out);
        left_out.clear();
        let mut taken = row.convert(source, raw, out, left_out);
        if out.len() > MAX_EVENT_TEXT {
            taken = taken.and(Err(Failure::EventTooLong));
        }
        if taken != Ok(Taken::Value) {
            out.truncate(before);
        }
        if taken.is_err() || !left_out.is_empty() {
            self.ignore_value(asking, row, source, (raw, taken.err()), left_out);
        }
        match taken {
            Ok(Taken::Value) => Said::Value(0),
            Ok(Taken::Null) => Said::Cleared,
            Ok(Taken::Nothing) if left_out.is_empty() => Said::Nothing,
            Ok(Taken::Nothing) | Err(_) => Said::Ignored,
        }
    }

    /// Goes on to the row's other paths: the first that gives a value counts. Where none does, a
    /// null clears unless something beside it was ignored: whoever sent that did not mean to.
    fn fall_back(
        &mut self,
        asking: Asking<'_, 'a, '_>,
        row: &CompiledRow,
        first: Said,
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Said {
        let mut said = first;
        for (index, source) in (1..).zip(&row.fallbacks) {
            match self.take(asking, row, source, out, left_out) {
                Said::Value(_) => return Said::Value(index),
                Said::Ignored => said = Said::Ignored,
                Said::Cleared if said == Said::Nothing => said = Said::Cleared,
                Said::Cleared | Said::Nothing => {}
            }
        }
        said
    }

    /// Logs a value that was ignored, or what of a list was left out.
    #[cold]
    fn ignore_value(
        &mut self,
        Asking { event, asked }: Asking<'_, 'a, '_>,
        row: &CompiledRow,
        source: &CompiledPath,
        (raw, failure): (Raw<'a>, Option<Failure>),
        left_out: &LeftOut<'a>,
    ) {
        let about = |failure, count| About {
            path: source.within(asked.root),
            field_id: &row.target,
            code: row.converter.code(failure),
            count,
        };
        if let Some(failure) = failure {
            self.ignore(event, about(failure, 1), row.converter.reason(failure), raw);
            return;
        }
        for element in left_out.elements() {
            let reason = format!(
                "left out of the list, element {}: {}",
                element.index,
                row.converter.reason(element.failure)
            );
            let about = about(element.failure, element.count);
            self.ignore(event, about, reason, element.raw);
        }
    }
}

/// Appends what stands in front of the row's value.
fn begin(row: &CompiledRow, out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push_str(&row.json_key);
}
