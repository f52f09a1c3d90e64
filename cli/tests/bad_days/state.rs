//! What a data folder holds, without what differs from day to day: the rest is equal for the
//! same input, however often the work was interrupted.

use std::collections::BTreeMap;

use assay_store::EventKind;
use serde_json::Value;

use crate::books::Books;
use crate::office::Office;

/// Sections of lines, each sorted.
#[derive(Debug, Default)]
pub(crate) struct State(BTreeMap<String, Vec<String>>);

/// Columns that a model fills with the time of the run, or with the place in the log, where a
/// message that was sent twice takes a place of its own.
const COLUMNS_OF_THE_DAY: [&str; 5] =
    ["ingestion_timestamp", "ingestion_date", "processed_at", "kafka_partition", "kafka_offset"];

/// What is new in every letter: when and by which batch it was put, and where it lies. Its payload
/// may hold columns of the day, so its length is one, too.
const OF_A_LETTER: [&str; 7] =
    ["run", "draft", "at", "failed_at", "first_failed_at", "payload_bytes", "source"];

const OF_A_REPORT: [&str; 4] = ["run", "draft", "judged_at", "columns"];

const OF_AN_EVENT: [&str; 6] = ["run", "eventTime", "draft", "snapshot", "version", "actual"];

/// Metrics that time makes.
const METRICS_OF_THE_DAY: [&str; 7] = [
    "job_",
    "kafka_consumer_lag_seconds",
    "assay_dead_letters_oldest_age_seconds",
    "total_lineage_events",
    "event_breakdown{event_type=\"job_start\"}",
    "event_breakdown{event_type=\"job_end\"}",
    "#",
];

impl State {
    pub(crate) fn of(office: &Office) -> State {
        let mut state = State::default();
        let tables: Vec<Value> = parsed(&office.assay(&["tables", "-o", "json"]));
        for table in tables {
            let name = table["table"].as_str().unwrap();
            state.put(&format!("rows of {name}"), rows(office, name));
        }
        state.put("letters", letters(office));
        let books = Books::of(office);
        for record in &books.reports {
            let section = format!("reports of {}", record.report.output);
            let sequence = record.commit.expect("nothing was halted").sequence;
            let mut report = serde_json::to_value(&record.report).unwrap();
            without(&mut report, &OF_A_REPORT);
            for mark in ["from", "upto"] {
                // A fingerprint is also one of the time at which a message was appended.
                deeply_without(&mut report[mark], &["draft", "fingerprint"]);
            }
            for rule in report["quality"]["judged"]["rules"].as_array_mut().unwrap() {
                if rule["dimension"] == "timeliness" {
                    without(rule, &["observed"]);
                }
            }
            state.add(&section, format!("commit {sequence:03} {report}"));
        }
        for event in &books.events {
            if matches!(event.kind, EventKind::Ingestion | EventKind::Transformation) {
                let mut body = event.body.clone();
                deeply_without(&mut body, &OF_AN_EVENT);
                let data = office.data().to_str().unwrap();
                state.add("events of batches", body.to_string().replace(data, "DATA"));
            }
        }
        let of_the_day = |line: &&str| METRICS_OF_THE_DAY.iter().any(|name| line.starts_with(name));
        let metrics = office.assay(&["metrics"]);
        let lasting = metrics.lines().filter(|line| !of_the_day(line)).map(str::to_owned);
        state.put("counters", lasting.collect());
        state.0.values_mut().for_each(|lines| lines.sort());
        state
    }

    /// Only what does not depend on how the input was cut into batches.
    pub(crate) fn however_cut(mut self) -> State {
        self.0
            .retain(|section, _| !section.starts_with("reports") && !section.starts_with("events"));
        // A row of an aggregate is written again by every batch that touches its day.
        let sums = |line: &String| {
            line.starts_with("assay_dead_letters")
                || line.starts_with("records_") && !line.contains("user_activity")
        };
        self.0.get_mut("counters").unwrap().retain(sums);
        self
    }

    /// Only the sections whose names begin like this.
    pub(crate) fn only(mut self, beginnings: &[&str]) -> State {
        self.0.retain(|section, _| beginnings.iter().any(|wanted| section.starts_with(wanted)));
        self
    }

    /// Panics with the lines that are in one and not in the other.
    pub(crate) fn must_be(&self, wanted: &State) {
        let mut wrong = String::new();
        for section in self.0.keys().chain(wanted.0.keys().filter(|s| !self.0.contains_key(*s))) {
            let of = |state: &State| state.0.get(section).cloned().unwrap_or_default();
            let (found, wanted) = (of(self), of(wanted));
            for (what, lines) in
                [("too much", left_over(&found, &wanted)), ("missing", left_over(&wanted, &found))]
            {
                for line in lines.iter().take(3) {
                    wrong.push_str(&format!("{section}: {what} ({}): {line:.1500}\n", lines.len()));
                }
            }
        }
        assert!(wrong.is_empty(), "it did not end like an undisturbed day:\n{wrong}");
        assert!(self.0.values().any(|lines| !lines.is_empty()), "there is nothing to compare");
    }

    fn put(&mut self, section: &str, lines: Vec<String>) {
        self.0.insert(section.to_owned(), lines);
    }

    fn add(&mut self, section: &str, line: String) {
        self.0.entry(section.to_owned()).or_default().push(line);
    }
}

fn rows(office: &Office, table: &str) -> Vec<String> {
    let all = format!("SELECT * FROM {table}");
    let rows: Vec<Value> = parsed(&office.assay(&["query", &all, "--limit", "0", "-o", "json"]));
    let mut lines = Vec::with_capacity(rows.len());
    for mut row in rows {
        without(&mut row, &COLUMNS_OF_THE_DAY);
        if table.starts_with("gold.") {
            without(&mut row, &["created_at"]);
        }
        lines.push(row.to_string());
    }
    lines
}

/// All letters that are shown, each of which must be ingest's or of a draft that was committed.
pub(crate) fn letters(office: &Office) -> Vec<String> {
    let listed = parsed(&office.assay(&["dlq", "list", "--limit", "0", "-o", "json"]));
    // Looked at behind the letters: what is shown was committed before.
    let tables = office.assay(&["tables", "-o", "json"]);
    let mut lines = Vec::new();
    for mut letter in listed {
        assert_eq!(letter["void"], false, "a void letter is shown: {letter}");
        if let Some(draft) = letter["draft"].as_str() {
            let committed = format!("\"assay.draft\": \"{draft}\"");
            assert!(tables.contains(&committed), "its draft was never committed: {letter}");
        }
        without(&mut letter, &OF_A_LETTER);
        lines.push(letter.to_string());
    }
    lines
}

fn parsed(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn without(value: &mut Value, keys: &[&str]) {
    let Some(map) = value.as_object_mut() else { return };
    map.retain(|key, _| !keys.contains(&key.as_str()));
}

fn deeply_without(value: &mut Value, keys: &[&str]) {
    without(value, keys);
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| deeply_without(value, keys)),
        Value::Array(list) => list.iter_mut().for_each(|value| deeply_without(value, keys)),
        _ => {}
    }
}

/// The lines of `some` that have no equal in `others`, each of which stands for one.
fn left_over<'a>(some: &'a [String], others: &[String]) -> Vec<&'a str> {
    let mut stock: BTreeMap<&str, usize> = BTreeMap::new();
    others.iter().for_each(|line| *stock.entry(line).or_default() += 1);
    let mut left = Vec::new();
    for line in some {
        match stock.get_mut(line.as_str()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => left.push(line.as_str()),
        }
    }
    left
}
