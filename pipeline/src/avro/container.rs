//! Avro's object-container files, as far as their own framing goes.

use uuid::Uuid;

const MAGIC: &[u8] = b"Obj\x01";
const MARKER: usize = 16;

/// How many records the blocks of a container promise; none when it is cut off or damaged.
///
/// Readers take the end of the input for the end of the container, also within a block. So what
/// is whole is decided here.
pub(super) fn promised(container: &[u8]) -> Option<u64> {
    let mut rest = Rest(container.strip_prefix(MAGIC)?);
    loop {
        let entries = rest.number()?;
        if entries == 0 {
            break;
        }
        if entries < 0 {
            rest.number()?;
        }
        for _ in 0..entries.unsigned_abs() {
            rest.bytes()?;
            rest.bytes()?;
        }
    }
    let marker = rest.take(MARKER)?;
    let mut records = 0u64;
    while !rest.0.is_empty() {
        records = records.checked_add(u64::try_from(rest.number()?).ok()?)?;
        rest.bytes()?;
        if rest.take(MARKER)? != marker {
            return None;
        }
    }
    Some(records)
}

/// A container of one record, the same bytes whenever the record is the same.
pub(super) fn single(schema: &str, record: &[u8]) -> Vec<u8> {
    let marker = Uuid::new_v5(&Uuid::NAMESPACE_OID, record).into_bytes();
    let mut container = MAGIC.to_vec();
    put_number(&mut container, 2);
    for text in ["avro.codec", "null", "avro.schema", schema] {
        put_bytes(&mut container, text.as_bytes());
    }
    put_number(&mut container, 0);
    container.extend(marker);
    put_number(&mut container, 1);
    put_bytes(&mut container, record);
    container.extend(marker);
    container
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// A zig-zag number of at most ten bytes.
    fn number(&mut self) -> Option<i64> {
        let mut bits = 0u64;
        for place in 0..10 {
            let byte = self.take(1)?[0];
            bits |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}

fn put_number(to: &mut Vec<u8>, number: usize) {
    let mut bits = (number as u64) << 1;
    while bits >= 0x80 {
        to.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    to.push(bits as u8);
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, bytes.len());
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value;
    use apache_avro::{Reader, Schema, Writer, to_avro_datum};
    use proptest::prelude::*;

    use super::{promised, single};

    fn container(blocks: &[usize]) -> Vec<u8> {
        let mut writer = Writer::new(&Schema::Long, Vec::new());
        for records in blocks {
            (0..*records).for_each(|number| {
                writer.append(Value::Long(number as i64 * 1000)).unwrap();
            });
            writer.flush().unwrap();
        }
        writer.into_inner().unwrap()
    }

    proptest! {
        #[test]
        fn a_container_that_is_cut_promises_nothing_or_less(
            blocks in prop::collection::vec(0usize..50, 0..4),
            cut in 1usize..400,
        ) {
            let whole = container(&blocks);
            let all = blocks.iter().sum::<usize>() as u64;
            prop_assert_eq!(promised(&whole), Some(all));
            let part = &whole[..whole.len().saturating_sub(cut)];
            // What ends between two blocks is a container of fewer records, and all are there.
            if let Some(records) = promised(part) {
                prop_assert!(records < all);
                prop_assert_eq!(Reader::new(part).unwrap().count() as u64, records);
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            promised(&[b"Obj\x01", &bytes[..]].concat());
        }

        #[test]
        fn a_record_alone_is_read_back(text in ".{0,300}") {
            let schema = Schema::String;
            let record = to_avro_datum(&schema, Value::String(text.clone())).unwrap();
            let alone = single("\"string\"", &record);
            prop_assert_eq!(&alone, &single("\"string\"", &record));
            prop_assert_eq!(promised(&alone), Some(1));
            let read: Vec<Value> = Reader::new(&alone[..]).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(read, [Value::String(text)]);
        }
    }
}
