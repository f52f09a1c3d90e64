use assay_core::Fault;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the log did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("topic `{topic}` is not in the log {log}: create it, or correct its name")]
    UnknownTopic { log: String, topic: String },

    #[error("topic `{topic}` has no partition {partition}: it has {partitions}, counted from 0")]
    UnknownPartition { topic: String, partition: u32, partitions: u32 },

    #[error(
        "topic `{topic}` has {has} partitions, not {wanted}: a topic keeps the number it was made \
         with, so ask for {has}, or give the new topic another name"
    )]
    OtherPartitions { topic: String, has: u32, wanted: u32 },

    #[error(
        "`{topic}` can't be the name of a topic: use up to 249 letters, digits, `.`, `_` and `-`"
    )]
    InvalidName { topic: String },

    #[error("topic `{topic}` can't have {wanted} partitions: ask for 1 to {most}")]
    InvalidPartitions { topic: String, wanted: u32, most: u32 },

    #[error(
        "offset {from} of topic `{topic}`, partition {partition}, is not there: it holds {start} \
         to before {end}; either retention deleted what was not read yet, or the topic was made \
         anew: check the reader's position before going on"
    )]
    OutOfRange { topic: String, partition: u32, from: u64, start: u64, end: u64 },

    #[error("a record for topic `{topic}` has {bytes} bytes, the log takes up to {limit}")]
    TooLarge { topic: String, bytes: usize, limit: usize },

    #[error(
        "a record for topic `{topic}` has {bytes} bytes, the topic takes batches of up to {limit}: \
         raise its `max.message.bytes` (kafka-configs.sh --alter --entity-type topics \
         --entity-name {topic} --add-config max.message.bytes=…)"
    )]
    TooLargeForTopic { topic: String, bytes: usize, limit: usize },

    #[error(
        "the log {log} was written by Assay {written_by} (format {found}); this is Assay {this}, \
         which reads format {known}: run Assay {written_by} or newer, or choose another file"
    )]
    Newer { log: String, written_by: String, found: i64, known: i64, this: &'static str },

    #[error("{log} is a file, but not a log of Assay: choose another path for the log")]
    Foreign { log: String },

    #[error(
        "the record at offset {offset} of topic `{topic}`, partition {partition}, can't be read \
         from the log {log}: the file is damaged; restore it from a backup"
    )]
    Damaged { log: String, topic: String, partition: u32, offset: u64 },

    #[error("could not {doing} (log {log}): {source}{advice}")]
    Failed { doing: String, log: String, advice: &'static str, fault: Fault, source: Source },
}

impl LogError {
    /// Says whether trying again can help.
    pub fn fault(&self) -> Fault {
        match self {
            LogError::Failed { fault, .. } => *fault,
            _ => Fault::Permanent,
        }
    }
}
