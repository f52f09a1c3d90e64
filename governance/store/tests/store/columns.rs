//! Whatever events say of columns, in whatever order they come: the ways are those of a book that
//! has a line for each column and changes each line with each event.

use std::collections::{BTreeMap, BTreeSet};

use assay_core::{Governed, Run, RunId};
use assay_store::{ColumnWay, Direction, Event, EventKind, KeptSince, Kind, Received, job, label};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::json;

use crate::sample::{at, id, store, telling};

const KINDS: [&str; 4] = ["START", "RUNNING", "COMPLETE", "FAIL"];
const OUTPUTS: [&str; 2] = ["sums", "tops"];

/// An event of a run of a job, so many seconds after noon. Of each output that it writes it says from
/// which fields of `in` its column `c` comes, and whether their values go there.
#[derive(Debug, Clone)]
struct Told {
    kind: usize,
    seconds: i64,
    job: usize,
    run: u64,
    outputs: BTreeMap<usize, BTreeSet<(u8, bool)>>,
}

fn told() -> impl Strategy<Value = Told> {
    // Few different sets, so that one is often said again.
    let set = prop_oneof![
        4 => Just(BTreeSet::from([(0, true), (1, true)])),
        2 => Just(BTreeSet::from([(1, true), (2, true)])),
        1 => btree_set((0_u8..4, any::<bool>()), 0..3),
    ];
    let outputs = proptest::collection::btree_map(0_usize..2, set, 0..3);
    (0_usize..4, -4_i64..5, 0_usize..8, 0_u64..3, outputs).prop_map(
        |(kind, seconds, job, run, outputs)| Told {
            kind,
            seconds,
            job: usize::from(job == 0),
            run,
            outputs,
        },
    )
}

impl Told {
    fn run(&self) -> u64 {
        10 * self.run + self.job as u64
    }

    fn received(&self, number: u64) -> Received {
        let (run, at) = (RunId(id(self.run())), at(self.seconds));
        let output = |(output, said): (&usize, &BTreeSet<(u8, bool)>)| {
            let field = |(field, direct): &(u8, bool)| {
                let kind = if *direct { "DIRECT" } else { "INDIRECT" };
                json!({"namespace": "s3://lake", "name": "in", "field": format!("f{field}"),
                    "transformations": [{"type": kind, "subtype": "X"}]})
            };
            let fields: Vec<_> = said.iter().map(field).collect();
            json!({"namespace": "s3://lake", "name": OUTPUTS[*output],
                "facets": {"columnLineage": {"fields": {"c": {"inputFields": fields}}}}})
        };
        let body = json!({
            "eventType": KINDS[self.kind],
            "run": {"runId": run},
            "job": {"namespace": "shop", "name": format!("job_{}", self.job)},
            "outputs": self.outputs.iter().map(output).collect::<Vec<_>>(),
        });
        let named = |output: &usize| label("s3://lake", OUTPUTS[*output]);
        let outputs = self.outputs.keys().map(named).collect();
        let (kind, inputs) = (EventKind::JobEnd, vec![]);
        let event = Event { id: id(1000 + number), run, kind, at, body, inputs, outputs };
        let (stage, governed) = (job("shop", &format!("job_{}", self.job)), Governed::default());
        Received {
            run: Run { id: run, stage, started_at: at, governed, following: false },
            event,
            text: None,
        }
    }
}

/// A line of the book.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    output: usize,
    job: usize,
    field: u8,
    direct: bool,
    since: i64,
    until: Option<i64>,
    run: u64,
    last_at: i64,
}

#[derive(Debug, Default)]
struct Book {
    lines: Vec<Line>,
    /// Of each run when it began, its last event, and how it ended.
    runs: BTreeMap<u64, (i64, i64, Option<&'static str>)>,
    written: BTreeSet<(u64, usize)>,
}

impl Book {
    fn take(&mut self, told: &Told) {
        let (run, now) = (told.run(), told.seconds);
        let began = self.note(told);
        self.written.extend(told.outputs.keys().map(|output| (run, *output)));
        for (output, said) in &told.outputs {
            // Of a field that is said twice the last one counts.
            let fields: BTreeMap<u8, bool> = said.iter().copied().collect();
            for (field, direct) in fields {
                self.say(told, *output, field, direct);
            }
        }
        let Some(began) = began.filter(|_| KINDS[told.kind] == "COMPLETE") else { return };
        let of = |line: &Line, output| line.job == told.job && line.output == output;
        for output in 0..OUTPUTS.len() {
            let said = self.lines.iter().any(|line| of(line, output) && line.run == run);
            if !said || !self.written.contains(&(run, output)) {
                continue;
            }
            for line in self.lines.iter_mut().filter(|line| of(line, output)) {
                let goes = line.until.is_none_or(|until| until > now);
                if goes && line.run != run && line.last_at <= began {
                    line.until = Some(now);
                }
            }
        }
    }

    /// Notes how the run stands; when it began, if it is complete.
    fn note(&mut self, told: &Told) -> Option<i64> {
        let now = told.seconds;
        let (began, last, end) = self.runs.entry(told.run()).or_insert((now, now, None));
        (*began, *last) = (now.min(*began), now.max(*last));
        if let kind @ ("COMPLETE" | "FAIL") = KINDS[told.kind] {
            // A run that failed has failed, whatever else is said of it.
            *end = Some(if *end == Some("FAIL") { "FAIL" } else { kind });
        }
        (*end == Some("COMPLETE")).then_some(*began)
    }

    fn say(&mut self, told: &Told, output: usize, field: u8, direct: bool) {
        let (run, now, job) = (told.run(), told.seconds, told.job);
        let key = |line: &Line| (line.output, line.job, line.field) == (output, job, field);
        let taken = self.lines.iter().any(|line| key(line) && line.since == now);
        let goes = |line: &&mut Line| key(line) && line.until.is_none_or(|until| until > now);
        match self.lines.iter_mut().filter(goes).min_by_key(|line| line.since) {
            Some(line) if line.since > now && taken => {}
            Some(line) => {
                if now >= line.last_at {
                    (line.run, line.last_at) = (run, now);
                }
                line.since = line.since.min(now);
                line.direct = direct;
            }
            None if taken => {}
            None => {
                let (since, last_at, until) = (now, now, self.overtaken(told, output));
                self.lines.push(Line { output, job, field, direct, since, until, run, last_at });
            }
        }
    }

    /// When a run that began later was complete, if columns of the output were said later.
    fn overtaken(&self, told: &Told, output: usize) -> Option<i64> {
        let said_later = |line: &&Line| {
            (line.output, line.job, line.until) == (output, told.job, None)
                && line.last_at > told.seconds
        };
        self.lines.iter().find(said_later)?;
        let later = self.runs.iter().filter(|(run, (began, _, end))| {
            let of_job = usize::try_from(**run % 10) == Ok(told.job);
            let wrote = self.written.contains(&(**run, output));
            of_job && wrote && *began > told.seconds && *end == Some("COMPLETE")
        });
        later.map(|(_, (_, last, _))| *last).min()
    }

    /// What the ways to an output were then, or are.
    fn ways(&self, output: usize, then: Option<i64>) -> BTreeSet<String> {
        let goes = |line: &&Line| {
            let ended = |at| line.until.is_some_and(|until| until <= at);
            line.output == output
                && then.map_or(line.until.is_none(), |at| line.since <= at && !ended(at))
        };
        let text = |line: &Line| {
            let Line { job, field, direct, since, until, .. } = line;
            format!("job_{job} f{field} {direct} {:?}", (at(*since), until.map(at)))
        };
        self.lines.iter().filter(goes).map(text).collect()
    }
}

fn sorted(ways: &[ColumnWay]) -> BTreeSet<String> {
    ways.iter().map(|way| format!("{way:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_set_that_is_said_again_means_the_same_as_each_of_its_columns(
        steps in vec(told(), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_home, store) = store().await;
            let (_other, tells) = crate::sample::store().await;
            let mut book = Book::default();
            for (number, mut told) in (10..).zip(steps) {
                // Most come in order, and no two tell of the same moment.
                told.seconds = 100 * (told.seconds + number * 3 / 2) + number;
                told.run += number.unsigned_abs() / 4;
                store.receive(&[told.received(number.unsigned_abs())]).await.unwrap();
                book.take(&told);
                if told.seconds % 7 == 0 {
                    store.doubt_columns().await.unwrap();
                }
                // Told by a commit it is the same.
                let received = told.received(number.unsigned_abs());
                let mut telling = telling(&received.run, number.unsigned_abs());
                telling.events = vec![received.event];
                prop_assert!(tells.tell(&telling).await.unwrap());
                for (place, name) in OUTPUTS.iter().enumerate() {
                    let dataset = label("s3://lake", name);
                    for then in [None, Some(told.seconds - 250)] {
                        let (of, time) = ([&*dataset], then.map(at));
                        let ways = store.column_ways(&of, Direction::Upstream, time).await.unwrap();
                        let same = tells.column_ways(&of, Direction::Upstream, time).await.unwrap();
                        prop_assert_eq!(sorted(&ways), sorted(&same));
                        let text = |way: &ColumnWay| {
                            let time = (way.since, way.until);
                            format!("{} {} {} {time:?}", way.job.stage, way.input_column, way.direct)
                        };
                        let ways: BTreeSet<String> = ways.iter().map(text).collect();
                        prop_assert_eq!(ways, book.ways(place, then), "{} after {:?}", name, told);
                    }
                }
            }
            Ok(())
        })?;
    }
}

/// Of a set that is said again and again the rows have the time of its first event.
#[tokio::test]
async fn a_set_that_is_said_again_is_not_old() {
    let (_home, store) = store().await;
    let set = BTreeSet::from([(0, true), (1, true)]);
    let outputs = BTreeMap::from([(0, set)]);
    let told = |seconds, run, outputs: &BTreeMap<_, _>| {
        Told { kind: 2, seconds, job: 0, run, outputs: outputs.clone() }.received(run)
    };
    store.receive(&[told(10, 1, &outputs), told(500, 2, &outputs)]).await.unwrap();
    let other = BTreeMap::from([(1, BTreeSet::from([(3, true)]))]);
    let mut old = told(11, 3, &other);
    old.run.stage = job("shop", "job_9");
    store.receive(&[old]).await.unwrap();
    let end = at(400);
    let since = KeptSince { reports: end, runs: end, lineage: end, jobs: end, audit: end };
    let due = store.due(&since).await.unwrap();
    let of = |kind: Kind| due.iter().find(|due| due.kind == kind).map(|due| (due.rows, due.kept));
    // Of the set neither; the other is old, and the last of its job.
    assert_eq!(of(Kind::ColumnWays), Some((0, 1)));
}
