//! What clients see. A route is a file; who may use it stands here, beside its address.

mod admission;
mod body;
mod error;
mod question;
mod routes;
mod which;

use std::sync::Arc;
use std::time::Instant;

use assay_core::{Clock, Ids};
use assay_door::{Credentials, InFlight, Quotas};
use assay_lineage::receive::Intake;
use assay_store::{Deed, Store};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use tokio::sync::Semaphore;

use self::routes::{
    blame, columns, datasets, diff, dlq, events, graph, health, impact, metrics, openapi, receive,
    results, runs, stats,
};
use crate::ReadResults;
use crate::letters::Letters;
use crate::meters::Meters;
use crate::requests::{Asked, Handled};
use crate::settings::Settings;

/// What answers are made from.
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) letters: Letters,
    pub(crate) intake: Intake,
    pub(crate) results: ReadResults,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) credentials: Credentials,
    pub(crate) quotas: Quotas,
    pub(crate) in_flight: Arc<InFlight>,
    /// Large bodies are taken apart a few at a time: what they unpack to is known only then.
    pub(crate) turns: Semaphore,
    pub(crate) meters: Arc<Meters>,
    pub(crate) asked: Arc<Asked>,
    pub(crate) settings: Settings,
}

/// What is told of as requests: not what machines ask all the time to see that it lives.
const API: &str = "/api/";

type Route = (&'static str, Option<Deed>, MethodRouter<Arc<Service>>);

/// Every address, what is done there, and so who may; without a deed anybody.
fn all() -> Vec<Route> {
    let (look, send, change) = (Some(Deed::Look), Some(Deed::Send), Some(Deed::Change));
    // Who looks and who changes is said apart, where both is done at one address.
    let jobs = "/api/v1/dlq/jobs";
    vec![
        ("/api/v1/lineage", send, post(receive::receive)),
        ("/api/v1/lineage/batch", send, post(receive::batch)),
        ("/api/v1/lineage/stats", look, get(stats::stats)),
        ("/api/v1/lineage/events", look, get(events::events)),
        ("/api/v1/lineage/runs", look, get(runs::runs)),
        ("/api/v1/lineage/runs/{id}", look, get(runs::run)),
        ("/api/v1/lineage/datasets", look, get(datasets::datasets)),
        ("/api/v1/lineage/graph", look, get(graph::graph)),
        ("/api/v1/lineage/columns", look, get(columns::columns)),
        ("/api/v1/lineage/impact", look, get(impact::reach)),
        ("/api/v1/lineage/blame", look, get(blame::accuse)),
        ("/api/v1/lineage/diff", look, get(diff::diff)),
        ("/api/v1/quality/results", send, post(results::receive)),
        ("/api/v1/dlq/topics", look, get(dlq::topics::topics)),
        ("/api/v1/dlq/groups", look, get(dlq::groups::groups)),
        ("/api/v1/dlq/letters", look, get(dlq::letters::letters)),
        ("/api/v1/dlq/letters/{id}", look, get(dlq::letter::letter)),
        ("/api/v1/dlq/letters/{id}/trace", look, get(dlq::trace::trace)),
        ("/api/v1/dlq/export", look, get(dlq::export::export)),
        ("/api/v1/dlq/discard", change, post(dlq::discard::discard)),
        (jobs, look, get(dlq::jobs::jobs)),
        (jobs, change, post(dlq::start::start)),
        ("/api/v1/dlq/jobs/{id}", look, get(dlq::jobs::job)),
        ("/api/v1/dlq/jobs/{id}/letters", look, get(dlq::jobs::letters)),
        ("/api/v1/dlq/jobs/{id}/cancel", change, post(dlq::job::cancel)),
        ("/api/v1/dlq/jobs/{id}/resume", change, post(dlq::job::resume)),
        ("/healthz", None, get(health::alive)),
        ("/readyz", None, get(health::ready)),
        ("/metrics", None, get(metrics::metrics)),
        ("/openapi.json", None, get(openapi::openapi)),
    ]
}

pub(crate) fn router(service: Service) -> Router {
    let service = Arc::new(service);
    let mut router = Router::new();
    for (address, deed, methods) in all() {
        let methods = match deed {
            None => methods,
            Some(deed) => methods.route_layer(middleware::from_fn_with_state(
                (Arc::clone(&service), deed),
                admission::admit,
            )),
        };
        let measure = middleware::from_fn_with_state((Arc::clone(&service), address), measured);
        router = router.route(address, methods.layer(measure));
    }
    let other = middleware::from_fn_with_state((Arc::clone(&service), "other"), measured);
    let lost = Router::new().fallback(error::nowhere).layer(other).with_state(());
    router.fallback_service(lost).method_not_allowed_fallback(error::not_so).with_state(service)
}

/// Counts each request and how long it took.
async fn measured(
    State((service, endpoint)): State<(Arc<Service>, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let answer = next.run(request).await;
    let seconds = begun.elapsed().as_secs_f64();
    if endpoint.starts_with(API) {
        let handled = answer.extensions().get::<Handled>().copied().unwrap_or_default();
        let asked = format!("{method} {endpoint}");
        service.asked.count(asked, answer.status().as_u16(), handled, seconds);
    }
    let meters = &service.meters;
    meters.request_seconds.with_label_values(&[endpoint]).observe(seconds);
    meters.requests.with_label_values(&[endpoint, answer.status().as_str()]).inc();
    answer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    /// A program finds every address in the description, and no other.
    #[test]
    fn the_description_has_every_address() {
        let described: Value = serde_json::from_str(super::openapi::OPENAPI).unwrap();
        let described: BTreeSet<&str> =
            described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let there: BTreeSet<&str> = super::all().into_iter().map(|(address, ..)| address).collect();
        assert_eq!(described, there);
    }
}
