//! `reload`: tells a running fullchain to read its configuration and certificates again and says what came of it.

use serde::Deserialize;

use super::arguments::ReloadArguments;
use super::{Ending, admin, complain, print};
use crate::admin::client::{self, Answer};
use crate::config::Environment;

pub(super) fn run(arguments: &ReloadArguments, environment: &Environment) -> Ending {
    let admin = match admin::target(&arguments.admin, environment) {
        Ok(admin) => admin,
        Err(ending) => return ending,
    };
    let path = if arguments.force { "/reload?force=1" } else { "/reload" };
    match client::post(admin, path, arguments.timeout) {
        Ok(answer) => {
            let said = sentence(&answer);
            if answer.status == 200 {
                return print(said.as_bytes());
            }
            eprint!("{said}");
            Ending::Bad
        }
        Err(error) => complain(&error),
    }
}

/// The body of an answer to `/reload`.
#[derive(Deserialize)]
struct Report {
    outcome: String,
    details: Vec<String>,
}

/// The outcome on a line of its own, then what changed or why it did not, one line each.
fn sentence(answer: &Answer) -> String {
    let Ok(report) = serde_json::from_str::<Report>(&answer.body) else {
        return format!("{} ({})\n", answer.body.trim_end(), answer.status);
    };
    let details: String = report.details.iter().map(|detail| format!("  {detail}\n")).collect();
    let outcome = match report.outcome.as_str() {
        "unchanged" => "unchanged: what is served is what is on disk",
        "changed" => "changed:",
        "kept" => "kept, not everything could be renewed:",
        "refused" => "refused, nothing has changed:",
        other => other,
    };
    format!("{outcome}\n{details}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        sentence(&Answer {
            status,
            body: body.to_owned(),
        })
    }

    #[test]
    fn the_outcome_is_told_with_its_details() {
        let kept = r#"{"outcome":"kept","details":["a.pem: the key does not fit"]}"#;
        assert_eq!(
            said(409, kept),
            "kept, not everything could be renewed:\n  a.pem: the key does not fit\n"
        );
    }

    #[test]
    fn an_answer_that_is_no_report_is_told_as_it_is() {
        assert_eq!(said(405, "method not allowed\n"), "method not allowed (405)\n");
    }
}
