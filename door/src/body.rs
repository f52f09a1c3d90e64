//! Bodies that end in time and are not too large, also when they were packed.

use std::borrow::Cow;
use std::error::Error;
use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use flate2::bufread::MultiGzDecoder;
use futures::StreamExt;

use crate::{InFlight, Room};

/// A body that is not there after so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwhole {
    TooLarge {
        limit: usize,
    },
    Slow,
    Broken,
    /// Too many bodies are being taken in.
    NoRoom,
}

/// The body as it comes, chunked or not, at most so many bytes of it.
pub async fn whole(body: Body, limit: usize) -> Result<Bytes, Unwhole> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => {
            let limited =
                error.source().is_some_and(|cause| cause.to_string().contains("length limit"));
            Err(if limited { Unwhole::TooLarge { limit } } else { Unwhole::Broken })
        }
        Err(_) => Err(Unwhole::Slow),
    }
}

/// The same within the room that is left for all bodies: it is taken as the body comes, so that one
/// which does not say how large it is takes no more than it needs.
pub async fn whole_within(
    body: Body,
    limit: usize,
    all: &InFlight,
) -> Result<(Bytes, Room), Unwhole> {
    let read = async {
        let mut room = all.room(0).ok_or(Unwhole::NoRoom)?;
        let (mut whole, mut parts) = (vec![], body.into_data_stream());
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Unwhole::Broken)?;
            if whole.len() + part.len() > limit {
                return Err(Unwhole::TooLarge { limit });
            }
            if !room.grow(part.len(), all) {
                return Err(Unwhole::NoRoom);
            }
            whole.extend_from_slice(&part);
        }
        Ok((whole.into(), room))
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(Unwhole::Slow))
}

/// Why a body has no bytes to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    TooLarge {
        limit: usize,
    },
    /// It says that it is gzip, and is not, or not to its end.
    Damaged,
}

/// The body as it was before it was packed, if it was; at most so many bytes of it.
pub fn inflated(body: &[u8], gzip: bool, limit: usize) -> Result<Cow<'_, [u8]>, Unreadable> {
    if !gzip {
        return match body.len() > limit {
            true => Err(Unreadable::TooLarge { limit }),
            false => Ok(Cow::Borrowed(body)),
        };
    }
    let mut plain = Vec::with_capacity((body.len() * 4).min(limit));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(body).take(most).read_to_end(&mut plain);
    match read {
        Err(_) => Err(Unreadable::Damaged),
        Ok(bytes) if bytes > limit => Err(Unreadable::TooLarge { limit }),
        Ok(_) => Ok(Cow::Owned(plain)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_out_up_to_the_limit() {
        let zeros = vec![0; 100_000];
        let small = packed(&zeros);
        assert!(small.len() < 1000);
        assert_eq!(inflated(&small, true, 100_000).unwrap(), zeros);
        let limit = 99_999;
        assert_eq!(inflated(&small, true, limit), Err(Unreadable::TooLarge { limit }));
        assert_eq!(inflated(&small[..50], true, 100_000), Err(Unreadable::Damaged));
        assert_eq!(inflated(b"{}", true, 100), Err(Unreadable::Damaged));
        assert_eq!(inflated(b"{}", false, 1), Err(Unreadable::TooLarge { limit: 1 }));
    }
}
