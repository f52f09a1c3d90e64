//! The report of a judgement, for people who look after data.

use std::collections::BTreeMap;
use std::fmt::Write;

use assay_core::contract::describe;
use assay_core::{Outcome, Rule, RuleResult, Severity, Verdict};
use assay_pipeline::{Judgement, Sample};
use chrono::{DateTime, Utc};

use super::{columns_shown, escape, page};
use crate::commands::ByContract;
use crate::output::{number, score, time};

/// Columns of a sample beside those of its rule.
const BESIDE: usize = 5;

/// All that the page tells.
pub(crate) struct Judged<'a> {
    pub(crate) subject: &'a str,
    pub(crate) sql: Option<&'a str>,
    pub(crate) judged_at: DateTime<Utc>,
    pub(crate) by: &'a ByContract,
    pub(crate) found: &'a Judgement,
}

pub(crate) fn judged(of: &Judged<'_>) -> String {
    let points = score(of.found.quality.score);
    let title = format!("{} – {points} of 100", of.subject);
    let body =
        [head(of), summary(of), lost(of.found), because(of.found), rules(of), rest(of)].concat();
    page(&title, &body)
}

fn head(of: &Judged<'_>) -> String {
    let contract = &of.by.contract;
    let about = of.by.object.description.as_deref().unwrap_or_default();
    let sql = of.sql.map(|sql| format!("<pre class=\"sql\">{}</pre>", escape(sql)));
    format!(
        "<header><p class=\"kicker\">Data quality report</p><h1>{}</h1><p class=\"about\">{}</p>\
         {}<p class=\"muted\">Contract <b>{}</b> {} · judged {}</p></header>\n",
        escape(of.subject),
        escape(about),
        sql.unwrap_or_default(),
        escape(&contract.id),
        escape(&contract.version),
        time(of.judged_at),
    )
}

fn summary(of: &Judged<'_>) -> String {
    let quality = &of.found.quality;
    let (rows, rejected) = (of.found.rows, of.found.rejected);
    let verdict = quality.verdict;
    let meaning = match verdict {
        Verdict::Pass => "All that the contract promises holds.",
        Verdict::Warn => "The data can be used; somebody should look at what is below.",
        Verdict::Halt => "The data must not be used as it is.",
    };
    let failed = quality.rules.iter().filter(|rule| rule.outcome == Outcome::Failed).count();
    let open = quality.rules.iter().filter(|rule| unevaluated(rule)).count();
    let holds = quality.rules.len() - failed - open;
    let open = match open {
        0 => String::new(),
        open => tile("not evaluated", &number(open as u64), "rules that nobody could judge"),
    };
    let share = |part: u64| match rows {
        0 => String::new(),
        rows => format!("{} of all", percent(part, rows)),
    };
    format!(
        "<section class=\"summary\"><div class=\"score {verdict}\"><span class=\"points\">{}</span>\
         <span class=\"of\">of 100</span><span class=\"badge {verdict}\">{verdict}</span></div>\
         <div class=\"tiles\"><p class=\"meaning\">{meaning}</p>{}{}{}{}{open}</div></section>\n",
        score(quality.score),
        tile("rows", &number(rows), "judged"),
        tile("rejected", &number(rejected), &share(rejected)),
        tile("rules hold", &format!("{holds}"), &format!("of {}", quality.rules.len())),
        tile("rules broken", &number(failed as u64), "beyond what is allowed"),
    )
}

fn tile(name: &str, value: &str, more: &str) -> String {
    format!(
        "<div class=\"tile\"><span class=\"name\">{}</span><span class=\"value\">{}</span>\
         <span class=\"more\">{}</span></div>",
        escape(name),
        escape(value),
        escape(more)
    )
}

/// The 100 points, and who took the missing ones.
fn lost(found: &Judgement) -> String {
    let Some(points) = found.quality.score else { return String::new() };
    let takers: Vec<&RuleResult> =
        found.quality.rules.iter().filter(|rule| rule.lost >= 0.005).collect();
    if takers.is_empty() {
        return String::new();
    }
    let all: f64 = takers.iter().map(|rule| rule.lost).sum();
    let mut bars = String::new();
    for rule in &takers {
        let width = 100.0 * rule.lost / all;
        let _ = write!(
            bars,
            "<li><span class=\"who\">{}</span><span class=\"track\"><span class=\"bar {}\" \
             style=\"width:{width:.2}%\"></span></span><span class=\"n\">−{:.2}</span></li>",
            escape(&rule.rule),
            rule.severity,
            rule.lost
        );
    }
    let mut dimensions: BTreeMap<&str, f64> = BTreeMap::new();
    for rule in &takers {
        *dimensions.entry(&rule.dimension).or_default() += rule.lost;
    }
    let dimensions: Vec<String> = dimensions
        .iter()
        .map(|(name, lost)| format!("<span class=\"chip\">{} −{lost:.2}</span>", escape(name)))
        .collect();
    format!(
        "<section><h2>What cost the points</h2><p class=\"muted\">100 − {:.2} = {points:.2}. A row \
         costs its share once, by the worst rule that it broke.</p><ul class=\"bars\">{bars}</ul>\
         <p>{}</p></section>\n",
        100.0 - points,
        dimensions.join(" ")
    )
}

fn because(found: &Judgement) -> String {
    let quality = &found.quality;
    if quality.because.is_empty() {
        return String::new();
    }
    let items: Vec<String> =
        quality.because.iter().map(|why| format!("<li>{}</li>", with_names(why))).collect();
    format!(
        "<section><h2>Why the verdict is {}</h2><ul class=\"because\">{}</ul></section>\n",
        quality.verdict,
        items.concat()
    )
}

fn rules(of: &Judged<'_>) -> String {
    let mut rows = String::new();
    for result in &of.found.quality.rules {
        let rule = of.by.contract.rules.iter().find(|rule| rule.name == result.rule);
        rows += &one_rule(of, result, rule);
    }
    format!(
        "<section><h2>Rules</h2><div class=\"wide\"><table class=\"rules\"><thead><tr><th>rule</th>\
         <th>promise</th><th>severity</th><th>outcome</th><th class=\"n\">rows</th>\
         <th class=\"n\">points</th></tr></thead>{rows}</table></div></section>\n"
    )
}

fn one_rule(of: &Judged<'_>, result: &RuleResult, rule: Option<&Rule>) -> String {
    let (word, class, why) = match &result.outcome {
        Outcome::Passed if result.failed > 0 || result.lost > 0.0 => {
            ("within limits", "warn", String::new())
        }
        Outcome::Passed => ("holds", "pass", String::new()),
        Outcome::Failed if result.severity >= Severity::Error => ("broken", "halt", String::new()),
        Outcome::Failed => ("broken", "warn", String::new()),
        Outcome::NotEvaluated { why } => ("not evaluated", "halt", why.clone()),
    };
    let promise = match rule {
        Some(rule) => describe(&rule.check),
        None if result.rule == "readable" => "the row can be read and fits its types".to_owned(),
        None => String::new(),
    };
    let sample = of.found.samples.get(&result.rule).filter(|sample| !sample.rows.is_empty());
    let sample = sample.map(|sample| rows_of(of, result, sample)).unwrap_or_default();
    let failed = match result.failed {
        0 => "–".to_owned(),
        failed => format!(
            "{}<br><span class=\"muted\">{}</span>",
            number(failed),
            percent(failed, of.found.rows)
        ),
    };
    let cost = if result.lost > 0.0 { format!("−{:.2}", result.lost) } else { "–".to_owned() };
    let columns = result.columns.join(", ");
    let why = if why.is_empty() {
        why
    } else {
        format!("<br><span class=\"muted\">{}</span>", escape(&why))
    };
    format!(
        "<tbody><tr><td><b>{}</b><br><span class=\"muted\">{}</span></td><td>{}<br>\
         <span class=\"muted\">{}</span></td><td><span class=\"dot {severity}\"></span>\
         {severity}</td><td><span class=\"badge {class}\">{word}</span>{why}</td>\
         <td class=\"n\">{failed}</td><td class=\"n\">{cost}</td></tr>{sample}</tbody>\n",
        escape(&result.rule),
        escape(&columns),
        escape(&promise),
        escape(&expected(result)),
        severity = result.severity,
    )
}

/// By how much a rule may be broken.
fn expected(result: &RuleResult) -> String {
    match result.expected.as_str() {
        "= 0 rows" => "no row may break it".to_owned(),
        other => format!("expected {other}"),
    }
}

/// Text with names between backticks, as HTML.
fn with_names(text: &str) -> String {
    let part = |(place, part): (usize, &str)| match place % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    };
    text.split('`').enumerate().map(part).collect()
}

/// Some rows, with the cells of the rule marked.
fn rows_of(of: &Judged<'_>, result: &RuleResult, sample: &Sample) -> String {
    let places = columns_shown(of.by, of.found, &result.rule, sample, BESIDE);
    let marked = |place: usize| match result.columns.contains(&sample.columns[place]) {
        true => " class=\"hit\"",
        false => "",
    };
    let heads: Vec<String> = places
        .iter()
        .map(|place| format!("<th{}>{}</th>", marked(*place), escape(&sample.columns[*place])))
        .collect();
    let mut rows = String::new();
    for row in &sample.rows {
        let cells = places.iter().map(|place| match &row[*place] {
            Some(cell) => format!("<td{}>{}</td>", marked(*place), escape(cell)),
            None => format!("<td{}><i class=\"muted\">null</i></td>", marked(*place)),
        });
        rows += &format!("<tr>{}</tr>", cells.collect::<String>());
    }
    let shown = sample.rows.len();
    let rows_alone = sample.columns.iter().all(|name| of.by.contract.column(name).is_some());
    let what = if rows_alone { "rows" } else { "keys that come again" };
    format!(
        "<tr class=\"sample\"><td colspan=\"6\"><details><summary>{shown} of the {what}</summary>\
         <div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table></div>\
         </details></td></tr>",
        heads.concat()
    )
}

fn rest(of: &Judged<'_>) -> String {
    let mut text = String::new();
    if !of.found.refused.is_empty() {
        let mut rows = String::new();
        for refused in &of.found.refused {
            let line = refused.line.map_or_else(|| "–".to_owned(), number);
            let _ = write!(
                rows,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{line}</td></tr>",
                escape(&refused.why),
                number(refused.rows)
            );
        }
        let _ = writeln!(
            text,
            "<section><h2>Rows that could not be read</h2><div class=\"wide\"><table><thead><tr>\
             <th>why</th><th class=\"n\">rows</th><th class=\"n\">first line</th></tr></thead>\
             <tbody>{rows}</tbody></table></div></section>"
        );
    }
    if !of.found.notes.is_empty() {
        let notes: Vec<String> =
            of.found.notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
        let _ = writeln!(text, "<section><h2>Notes</h2><ul>{}</ul></section>", notes.concat());
    }
    text + "<footer>Score = 100 · V · Π (1 − π(1 − q)): V is the share of usable rows, each row \
            counted by the worst rule that it broke; π is the weight of a rule about the whole, q \
            how far it is met. The points lost add up to 100 − score. Values of columns that the \
            contract classifies as confidential are not shown. Made by Assay.</footer>"
}

fn unevaluated(rule: &RuleResult) -> bool {
    matches!(rule.outcome, Outcome::NotEvaluated { .. })
}

/// A share, never 0 % of something nor 100 % of not all.
fn percent(part: u64, all: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let share = 100.0 * part as f64 / all.max(1) as f64;
    match share {
        share if part > 0 && share < 0.01 => "< 0.01 %".to_owned(),
        share if part < all && share > 99.99 => "> 99.99 %".to_owned(),
        share => format!("{share:.2} %"),
    }
}
