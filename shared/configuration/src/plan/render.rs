//! A plan as people and programs read it.

use serde_json::{Value, json};

use super::planner::{Change, Detail, Left, Plan, Step};

/// By account, in the order in which it is done.
pub fn text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    let mut account = "";
    for step in &plan.steps {
        if step.account != account {
            account = &step.account;
            lines.push(format!("account {account}"));
        }
        lines.push(headline(step));
        lines.extend(step.details.iter().map(detail));
    }
    lines.extend(left_over(plan));
    lines.push(summary_of_plan(plan));
    lines.join("\n")
}

/// `3 created, 0 updated, 1 removed, 12 unchanged`
pub fn summary(plan: &Plan) -> String {
    let count = |change: Change| plan.count(change);
    format!(
        "{} created, {} updated, {} removed, {} unchanged",
        count(Change::Created),
        count(Change::Updated),
        count(Change::Removed),
        plan.unchanged
    )
}

fn summary_of_plan(plan: &Plan) -> String {
    if plan.steps.is_empty() {
        return format!("Nothing to change: {} as the file has it.", plan.unchanged);
    }
    let count = |change: Change| plan.count(change);
    format!(
        "Plan: {} to create, {} to update, {} to remove; {} unchanged.",
        count(Change::Created),
        count(Change::Updated),
        count(Change::Removed),
        plan.unchanged
    )
}

/// What the file no longer names, and stays.
pub fn left_over(plan: &Plan) -> Vec<String> {
    let line = |left: &Left| {
        let how = if left.prunable {
            "--prune removes it"
        } else {
            "it stays"
        };
        format!("not in the file: {} of {} ({how})", left.what, left.account)
    };
    plan.left_over.iter().map(line).collect()
}

/// For programs.
pub fn json(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| {
        let details = step.details.iter().map(
            |detail| json!({ "what": detail.what, "before": detail.before, "after": detail.after }),
        );
        json!({
            "account": step.account,
            "source": step.source,
            "what": step.what,
            "change": step.change.word(),
            "line": step.line,
            "details": details.collect::<Vec<Value>>(),
        })
    });
    let left = plan.left_over.iter().map(
        |left| json!({ "account": left.account, "what": left.what, "prunable": left.prunable }),
    );
    let faults = plan
        .faults
        .iter()
        .map(|fault| json!({ "line": fault.line, "message": fault.message }));
    let whole = json!({
        "steps": steps.collect::<Vec<Value>>(),
        "left_over": left.collect::<Vec<Value>>(),
        "faults": faults.collect::<Vec<Value>>(),
        "unchanged": plan.unchanged,
    });
    serde_json::to_string_pretty(&whole).expect("texts and numbers are always JSON")
}

fn headline(step: &Step) -> String {
    let sign = match step.change {
        Change::Created => '+',
        Change::Updated => '~',
        Change::Removed => '-',
    };
    let of = match &step.source {
        Some(source) if !step.what.ends_with(source.as_str()) => format!(" of source {source}"),
        _ => String::new(),
    };
    format!("  {sign} {}{of}", step.what)
}

fn detail(detail: &Detail) -> String {
    let Detail {
        what,
        before,
        after,
    } = detail;
    match (before.as_str(), after.as_str()) {
        ("", after) => format!("      + {what}: {after}"),
        (before, "") => format!("      - {what}: {before}"),
        (before, after) => format!("      ~ {what}: {before} -> {after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::planner::Action;

    fn plan() -> Plan {
        let step = Step {
            account: "shop".to_owned(),
            source: Some("Segment".to_owned()),
            what: "contact mapping of Segment".to_owned(),
            change: Change::Updated,
            details: vec![
                Detail {
                    what: "str::email".to_owned(),
                    before: "email".to_owned(),
                    after: "mail".to_owned(),
                },
                Detail {
                    what: "str::first".to_owned(),
                    before: String::new(),
                    after: "firstName".to_owned(),
                },
            ],
            line: 7,
            action: Action::DeleteSource,
        };
        Plan {
            steps: vec![step],
            left_over: vec![Left {
                account: "shop".to_owned(),
                what: "field Age".to_owned(),
                prunable: true,
            }],
            unchanged: 4,
            ..Plan::default()
        }
    }

    #[test]
    fn a_person_sees_what_becomes_of_what() {
        let expected = "account shop\n  ~ contact mapping of Segment\n      ~ str::email: email -> \
                        mail\n      + str::first: firstName\nnot in the file: field Age of shop \
                        (--prune removes it)\nPlan: 0 to create, 1 to update, 0 to remove; 4 \
                        unchanged.";
        assert_eq!(text(&plan()), expected);
        assert_eq!(
            text(&Plan::default()),
            "Nothing to change: 0 as the file has it."
        );
    }

    #[test]
    fn a_program_sees_the_same() {
        let read: Value = serde_json::from_str(&json(&plan())).unwrap();
        assert_eq!(read["steps"][0]["change"], "updated");
        assert_eq!(read["steps"][0]["details"][0]["after"], "mail");
        assert_eq!(read["left_over"][0]["what"], "field Age");
    }
}
