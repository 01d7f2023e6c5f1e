//! The preview of a draft: of those rows that are right, where others are not yet. One wrong row
//! takes nothing away from the others.

use std::future::Future;

use crate::clients::Answer;
use crate::domain::draft::row_of;
use crate::domain::model::{Preview, PreviewedRow, Row};
use crate::domain::{Fault, Trouble};

/// All that is wrong is said at once; what can only be seen without that comes behind it.
const MAX_TRIES: usize = 3;

/// What a draft comes to.
#[derive(Debug, Default)]
pub struct Previewed {
    /// By row of the draft; none where it is wrong.
    pub verdicts: Vec<Option<PreviewedRow>>,
    /// None where no row is right, or nobody answers.
    pub preview: Option<Preview>,
    /// What is wrong, and the place of the row that it is about; none: of the draft as a whole.
    pub faults: Vec<(Option<usize>, Fault)>,
    /// Why it is missing, where that is not what is wrong.
    pub trouble: Option<Trouble>,
}

impl Previewed {
    /// So many rows are not in it.
    pub fn left_out(&self) -> usize {
        let of_none = |one: &&Option<PreviewedRow>| one.is_none();
        self.verdicts.iter().filter(of_none).count()
    }
}

/// Asks for all rows, and once more without those that are wrong.
pub async fn preview<F>(rows: &[Row], ask: impl Fn(Vec<Row>) -> F) -> Previewed
where
    F: Future<Output = Answer<Preview>>,
{
    let mut found = Previewed {
        verdicts: vec![None; rows.len()],
        ..Previewed::default()
    };
    let mut right: Vec<usize> = (0..rows.len()).collect();
    for _ in 0..MAX_TRIES {
        if right.is_empty() {
            break;
        }
        let asked = right.iter().map(|place| rows[*place].clone());
        match ask(asked.collect()).await {
            Ok(mut preview) => {
                let verdicts = std::mem::take(&mut preview.rows);
                for (place, verdict) in right.iter().zip(verdicts) {
                    found.verdicts[*place] = Some(verdict);
                }
                found.preview = Some(preview);
                break;
            }
            Err(Trouble::Invalid(faults)) => {
                let known = right.clone();
                for fault in faults {
                    let place = row_of(&fault).and_then(|row| known.get(row).copied());
                    right.retain(|right| Some(*right) != place);
                    found.faults.push((place, fault));
                }
                if right.len() == known.len() {
                    // Of the draft as a whole: it stays wrong, whatever rows it has.
                    break;
                }
            }
            Err(trouble) => {
                found.trouble = Some(trouble);
                break;
            }
        }
    }
    found
}
