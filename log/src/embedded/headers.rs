use bytes::{Buf, Bytes};

/// Writes headers as one blob: for each its name and its value, both behind their length.
///
/// No headers are no blob.
pub(super) fn encode(headers: &[(String, Bytes)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let bytes: usize = headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    let mut blob = Vec::with_capacity(bytes);
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            #[allow(clippy::cast_possible_truncation, reason = "a record is smaller than 4 GB")]
            blob.extend_from_slice(&(part.len() as u32).to_le_bytes());
            blob.extend_from_slice(part);
        }
    }
    Some(blob)
}

/// Reads them back; nothing when the blob is damaged.
pub(super) fn decode(blob: Option<Vec<u8>>) -> Option<Vec<(String, Bytes)>> {
    let mut rest = Bytes::from(blob.unwrap_or_default());
    let mut headers = Vec::new();
    while rest.has_remaining() {
        let name = String::from_utf8(part(&mut rest)?.to_vec()).ok()?;
        headers.push((name, part(&mut rest)?));
    }
    Some(headers)
}

fn part(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32_le().ok()? as usize;
    (length <= rest.len()).then(|| rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(
            headers in prop::collection::vec((".{0,9}", prop::collection::vec(any::<u8>(), 0..9)), 0..5)
        ) {
            let headers: Vec<_> =
                headers.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
            prop_assert_eq!(decode(encode(&headers)), Some(headers));
        }

        #[test]
        fn a_damaged_blob_is_noticed_or_read_but_never_a_panic(
            blob in prop::collection::vec(any::<u8>(), 0..40)
        ) {
            let _ = decode(Some(blob));
        }
    }

    #[test]
    fn a_blob_that_was_cut_is_not_read() {
        let mut blob = encode(&[("name".to_owned(), Bytes::from("value"))]).unwrap();
        blob.pop();
        assert_eq!(decode(Some(blob)), None);
    }
}
