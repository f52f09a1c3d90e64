use std::sync::OnceLock;

use assay_core::TraceContext;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as Recorded};

/// What makes spans in this process; nothing, where none are exported.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Which side of a conversation a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Asks somebody.
    Client,
    /// Leaves a message in the log.
    Producer,
    /// Takes messages from the log.
    Consumer,
    Internal,
}

/// Something that takes a while; it ends when it is dropped.
///
/// Attributes are names, ids and counts, never values of cells.
pub struct Span {
    recorded: Option<Recorded>,
    context: Option<TraceContext>,
}

/// Makes spans from now on. Only the first call of a process has an effect.
pub(crate) fn record_with(tracer: SdkTracer) {
    // Whoever comes second would take the spans away from the first.
    let _ = TRACER.set(tracer);
}

impl Span {
    /// Begins a span that goes on from `parent`, or a trace.
    pub fn begin(name: &'static str, kind: Kind, parent: Option<&TraceContext>) -> Span {
        let Some(tracer) = TRACER.get() else {
            return Span { recorded: None, context: parent.cloned() };
        };
        let from = parent
            .and_then(remote)
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let builder = SpanBuilder::from_name(name).with_kind(kind.into());
        let recorded = tracer.build_with_context(builder, &from);
        let context = handed_on(recorded.span_context());
        Span { recorded: Some(recorded), context }
    }

    /// Begins a part of it.
    pub fn child(&self, name: &'static str, kind: Kind) -> Span {
        Span::begin(name, kind, self.context())
    }

    /// What to hand on: its own place in the trace, or the one that it was given.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// Whether what is said of it goes anywhere.
    pub fn recording(&self) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.is_recording())
    }

    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Counts are numbers of 64 bits with a sign there.
    pub fn count(&mut self, name: &'static str, count: u64) {
        self.set(name, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Says that it also goes on from there.
    pub fn link(&mut self, to: &TraceContext) {
        if let (Some(recorded), Some(to)) = (&mut self.recorded, remote(to)) {
            recorded.add_link(to, vec![]);
        }
    }

    /// It did not go well; `why` in words that hold for many.
    pub fn fail(&mut self, why: impl Into<String>) {
        if let Some(recorded) = &mut self.recorded {
            recorded.set_status(Status::error(why.into()));
        }
    }
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> SpanKind {
        match kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal => SpanKind::Internal,
        }
    }
}

fn remote(context: &TraceContext) -> Option<SpanContext> {
    let (trace, span, flags) = context.parts()?;
    let state = context.tracestate().and_then(|state| state.parse::<TraceState>().ok());
    Some(SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        state.unwrap_or_default(),
    ))
}

fn handed_on(context: &SpanContext) -> Option<TraceContext> {
    context.is_valid().then(|| {
        let (trace, span) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
        let state = context.trace_state().header();
        TraceContext::of(trace, span, context.trace_flags().to_u8(), Some(state))
    })
}
