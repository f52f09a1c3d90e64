//! The same events mean the same, whether others send them or a commit tells of them.

use std::collections::BTreeSet;

use assay_core::RunId;
use assay_store::{Direction, EventKind, Received, Store, job, label};
use proptest::collection::btree_set;
use proptest::prelude::*;
use serde_json::json;

use crate::sample::{at, id, run, store, telling};

const INPUTS: [&str; 3] = ["in/1.csv", "rates", "people"];
const OUTPUTS: [&str; 2] = ["sums", "tops"];

/// What a run read and wrote, so many seconds after noon.
#[derive(Debug, Clone)]
struct Told {
    kind: &'static str,
    seconds: i64,
    run: u64,
    inputs: BTreeSet<usize>,
    outputs: BTreeSet<usize>,
}

fn told() -> impl Strategy<Value = Told> {
    let kind = prop_oneof![Just("START"), Just("COMPLETE"), Just("COMPLETE"), Just("FAIL")];
    // Most say the same.
    let inputs = prop_oneof![2 => Just(BTreeSet::from([0, 1])), 1 => btree_set(0_usize..3, 0..4)];
    let outputs = prop_oneof![2 => Just(BTreeSet::from([0])), 1 => btree_set(0_usize..2, 0..3)];
    (kind, -3_i64..4, 0_u64..3, inputs, outputs).prop_map(
        |(kind, seconds, run, inputs, outputs)| Told { kind, seconds, run, inputs, outputs },
    )
}

impl Told {
    fn received(&self, number: u64) -> Received {
        let named = |names: &[&'static str], chosen: &BTreeSet<usize>| {
            chosen.iter().map(|place| names[*place]).collect::<Vec<_>>()
        };
        let (inputs, outputs) = (named(&INPUTS, &self.inputs), named(&OUTPUTS, &self.outputs));
        let place = |name: &&str| json!({"namespace": "s3://lake", "name": name});
        let body = json!({
            "eventType": self.kind,
            "run": {"runId": id(self.run)},
            "job": {"namespace": "shop", "name": "sum"},
            "inputs": inputs.iter().map(place).collect::<Vec<_>>(),
            "outputs": outputs.iter().map(place).collect::<Vec<_>>(),
        });
        let labels =
            |names: Vec<&str>| names.into_iter().map(|name| label("s3://lake", name)).collect();
        let mut of = run(self.run, "sum");
        (of.id, of.stage, of.started_at) =
            (RunId(id(self.run)), job("shop", "sum"), at(self.seconds));
        let event = assay_store::Event {
            id: id(1000 + number),
            run: of.id,
            kind: EventKind::JobEnd,
            at: at(self.seconds),
            body,
            inputs: labels(inputs),
            outputs: labels(outputs),
        };
        Received { run: of, event, text: None }
    }
}

/// All ways that a store knows, with all that it knows of them.
async fn ways(store: &Store, seconds: i64) -> Vec<BTreeSet<String>> {
    let outputs = OUTPUTS.map(|name| label("s3://lake", name));
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let mut all = vec![];
    for then in [None, Some(at(seconds)), Some(at(seconds - 5))] {
        let ways = store.ways(&outputs, Direction::Upstream, then).await.unwrap();
        all.push(ways.iter().map(|way| format!("{way:?}")).collect());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn events_that_were_sent_and_events_that_were_told_are_the_same_ways(
        steps in proptest::collection::vec(told(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ((_one, sent), (_other, tells)) = (store().await, store().await);
            for (number, mut told) in (1..).zip(steps) {
                told.seconds += number * 3 / 2;
                told.run += number.unsigned_abs() / 3;
                let received = told.received(number.unsigned_abs());
                let mut telling = telling(&received.run, number.unsigned_abs());
                telling.events = vec![received.event.clone()];
                prop_assert!(tells.tell(&telling).await.unwrap());
                sent.receive(&[received]).await.unwrap();
                let found = (ways(&sent, told.seconds).await, ways(&tells, told.seconds).await);
                prop_assert_eq!(&found.0, &found.1, "after {:?}", told);
            }
            Ok(())
        })?;
    }
}
