/// Whether trying the same thing again can help. Decided once, where a foreign error enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The world may be better in a moment: a lock, a time-out, a lost connection.
    Transient,
    /// It will fail again until somebody changes something.
    Permanent,
}
