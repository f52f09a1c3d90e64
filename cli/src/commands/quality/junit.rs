//! The report as JUnit XML, which every CI shows: a rule is a test.

use assay_core::contract::describe;
use assay_core::{Contract, Outcome, RuleResult, Severity, Verdict};
use assay_pipeline::Judgement;

use crate::output::score;
use crate::page::escape;

/// A rule that only warns does not fail its test; what it found is its output. The verdict is a
/// test of its own.
pub(super) fn report(subject: &str, contract: &Contract, found: &Judgement) -> String {
    let quality = &found.quality;
    let mut cases = String::new();
    let (mut failures, mut errors) = (0, 0);
    for result in &quality.rules {
        let inner = match &result.outcome {
            Outcome::Passed => String::new(),
            Outcome::NotEvaluated { why } => {
                errors += 1;
                element("error", "not evaluated", why)
            }
            Outcome::Failed if result.severity >= Severity::Error => {
                failures += 1;
                element("failure", &message(result), &promise(contract, &result.rule))
            }
            Outcome::Failed => format!(
                "<system-out>{}: {}</system-out>",
                result.severity,
                escape(&message(result))
            ),
        };
        cases += &case(&contract.id, &result.rule, &inner);
    }
    let halted = quality.verdict == Verdict::Halt;
    failures += usize::from(halted);
    let because = quality.because.join("\n");
    let inner = match quality.verdict {
        Verdict::Halt => element("failure", "halt", &because),
        Verdict::Warn => format!("<system-out>warn: {}</system-out>", escape(&because)),
        Verdict::Pass => String::new(),
    };
    cases += &case(&contract.id, "verdict", &inner);
    let tests = quality.rules.len() + 1;
    let points = score(quality.score);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n\
         <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n\
         <properties><property name=\"score\" value=\"{points}\"/>\
         <property name=\"rows\" value=\"{rows}\"/>\
         <property name=\"contract\" value=\"{contract} {version}\"/></properties>\n\
         {cases}</testsuite>\n</testsuites>\n",
        name = escape(subject),
        rows = found.rows,
        contract = escape(&contract.id),
        version = escape(&contract.version),
    )
}

fn case(class: &str, name: &str, inner: &str) -> String {
    let (class, name) = (escape(class), escape(name));
    format!("<testcase classname=\"{class}\" name=\"{name}\">{inner}</testcase>\n")
}

fn element(name: &str, message: &str, text: &str) -> String {
    format!("<{name} message=\"{}\">{}</{name}>", escape(message), escape(text))
}

fn message(result: &RuleResult) -> String {
    let RuleResult { failed, expected, lost, observed, .. } = result;
    let found = match observed {
        // It is about all rows together.
        Some(value) if *failed == 0 => format!("found {value}"),
        _ => format!("{failed} rows broke it"),
    };
    format!("{found} (expected {expected}), {lost:.2} points lost")
}

fn promise(contract: &Contract, rule: &str) -> String {
    let known = contract.rules.iter().find(|known| known.name == rule);
    known.map(|rule| describe(&rule.check)).unwrap_or_default()
}
