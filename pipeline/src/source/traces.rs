use assay_core::TraceContext;
use assay_log::Record;

/// So many traces a batch says it comes from: a picture with more is none.
pub(crate) const MOST: usize = 32;

/// The traces of the messages that a batch is made of: the first ones, each once.
#[derive(Debug, Default)]
pub(crate) struct Traces(Vec<TraceContext>);

impl Traces {
    /// Takes in the one that a message is part of, where it says so.
    pub(super) fn note(&mut self, message: &Record) {
        if message.headers.is_empty() || self.0.len() >= MOST {
            return;
        }
        let context = TraceContext::read(|name| message.header(name).map(|value| &value[..]));
        self.0.extend(context.filter(|context| !self.0.contains(context)));
    }

    pub(super) fn take(&mut self) -> Vec<TraceContext> {
        std::mem::take(&mut self.0)
    }
}
