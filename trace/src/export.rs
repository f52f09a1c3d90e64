use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource as SentResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::runtime::Handle;

use crate::metrics::metrics_of;
use crate::otlp::{NoExport, Otlp};
use crate::span::record_with;

/// How long the end of a process waits for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Where to, and what.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// Where spans are posted to; absent when they are not wanted.
    pub traces: Option<String>,
    /// The same for metrics.
    pub metrics: Option<String>,
    pub headers: Vec<(String, String)>,
    /// For a whole request.
    pub timeout: Duration,
    pub service: String,
    /// Which process it is.
    pub instance: String,
    /// What else is said of the process.
    pub attributes: Vec<(String, String)>,
    /// The share of traces that begin here which are recorded, where that is said.
    pub sample: Option<f64>,
}

/// Sends what is recorded, beside the work.
pub struct Export {
    otlp: Arc<Otlp>,
    provider: Option<SdkTracerProvider>,
    metrics: Option<String>,
    resource: Resource,
    begun: SystemTime,
}

impl Export {
    /// Begins to record and to send, on the runtime that it is called on.
    pub fn start(settings: &Settings, begun: SystemTime) -> Result<Export, NoExport> {
        let otlp = Arc::new(Otlp::new(&settings.headers, settings.timeout)?);
        // The SDK adds what OTEL_RESOURCE_ATTRIBUTES says.
        let said = settings.attributes.iter().cloned();
        let resource = Resource::builder()
            .with_attributes(said.map(|(name, value)| KeyValue::new(name, value)))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", settings.instance.clone()))
            .with_service_name(settings.service.clone())
            .build();
        let provider = settings.traces.as_ref().map(|url| {
            let (otlp, runtime, url) = (Arc::clone(&otlp), Handle::current(), url.clone());
            let sent = (&resource).into();
            let spans = Spans { otlp, runtime, url, resource: Arc::new(sent) };
            let mut builder = SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_span_processor(BatchSpanProcessor::builder(spans).build());
            if let Some(share) = settings.sample {
                let begun_here = Box::new(Sampler::TraceIdRatioBased(share));
                builder = builder.with_sampler(Sampler::ParentBased(begun_here));
            }
            builder.build()
        });
        if let Some(provider) = &provider {
            record_with(provider.tracer("assay"));
        }
        Ok(Export { otlp, provider, metrics: settings.metrics.clone(), resource, begun })
    }

    /// Whether metrics are wanted.
    pub fn takes_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    /// Sends what `/metrics` would answer at `now`; whether it was taken. Totals of one process
    /// begin with it; others are older than any process, and carry no name of one.
    pub async fn metrics(&self, text: &str, now: SystemTime, of_process: bool) -> bool {
        let Some(url) = &self.metrics else { return true };
        let since = of_process.then_some(self.begun);
        let metrics = metrics_of(text, since, now);
        let scope = InstrumentationScope { name: "assay".to_owned(), ..Default::default() };
        let known = ResourceAttributesWithSchema::from(&self.resource);
        let mut attributes = known.attributes.0;
        attributes.retain(|attribute| of_process || attribute.key != "service.instance.id");
        let resource = Some(SentResource { attributes, ..Default::default() });
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource,
                scope_metrics,
                schema_url: String::new(),
            }],
        };
        self.otlp.send("metrics", url, &request).await
    }

    /// Sends the last spans, for a short while; what is left then is lost.
    pub async fn end(&self) {
        let Some(provider) = self.provider.clone() else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS));
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::warn!("the last spans were not exported: the OTLP receiver is too slow");
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold secrets.
        f.debug_struct("Settings").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Takes spans from the thread that gathers them.
struct Spans {
    otlp: Arc<Otlp>,
    runtime: Handle,
    url: String,
    resource: Arc<ResourceAttributesWithSchema>,
}

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let request = ExportTraceServiceRequest { resource_spans };
        let (otlp, url) = (Arc::clone(&self.otlp), self.url.clone());
        // The thread that asks has no runtime.
        let sending = self.runtime.spawn(async move { otlp.send("spans", &url, &request).await });
        // What is lost was told where it was lost.
        drop(sending.await);
        Ok(())
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}
