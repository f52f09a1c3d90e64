use assay_store::TargetHealth;
use chrono::{DateTime, Utc};
use prometheus::proto::MetricFamily;

use crate::exposition::{Series, labels, number, plain};
use crate::names;

/// What is known of the targets that events are sent to.
pub(crate) fn of_targets(targets: &[TargetHealth], at: DateTime<Utc>) -> Vec<MetricFamily> {
    let (mut depth, mut age) = (Series::new(), Series::new());
    let (mut delivered, mut failures) = (Series::new(), Series::new());
    for target in targets {
        let name = target.target.as_str();
        for (state, events) in [("waiting", target.waiting), ("parked", target.parked)] {
            depth.insert(labels(&names::OUTBOX_DEPTH, &[name, state]), number(events));
        }
        let seconds = target.oldest.map(|oldest| (at - oldest).as_seconds_f64().max(0.0));
        age.insert(labels(&names::OUTBOX_OLDEST_AGE, &[name]), seconds.unwrap_or_default());
        delivered.insert(labels(&names::OUTBOX_DELIVERED, &[name]), number(target.delivered));
        failures.insert(labels(&names::OUTBOX_FAILURES, &[name]), number(target.failures));
    }
    vec![
        plain(&names::OUTBOX_DEPTH, depth),
        plain(&names::OUTBOX_OLDEST_AGE, age),
        plain(&names::OUTBOX_DELIVERED, delivered),
        plain(&names::OUTBOX_FAILURES, failures),
    ]
}
