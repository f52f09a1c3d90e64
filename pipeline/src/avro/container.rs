//! Avro's object-container files, as far as their own framing goes.

use uuid::Uuid;

use super::codec::Codec;
use super::layout::Layout;

const MAGIC: &[u8] = b"Obj\x01";
const MARKER: usize = 16;

/// Bytes that a message may hold once it is unpacked: a few can claim to be gigabytes.
const MOST_BYTES: usize = 256 << 20;

/// A container, taken apart as far as its framing goes; what is in its blocks is not looked at.
#[derive(Debug)]
pub(super) struct Container<'a> {
    /// Its writer's schema, in JSON.
    pub(super) schema: &'a [u8],
    codec: Codec,
    blocks: Vec<(usize, &'a [u8])>,
}

impl<'a> Container<'a> {
    /// Takes a container apart. One that is cut off between two blocks is one of fewer records.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Container<'a>, String> {
        if bytes.is_empty() {
            return Err("its value is empty".to_owned());
        }
        let damaged = || "it is cut off or damaged".to_owned();
        let mut rest = Rest(bytes.strip_prefix(MAGIC).ok_or_else(damaged)?);
        let (mut schema, mut codec) = (None, &b"null"[..]);
        rest.items(|rest| {
            let (key, value) = (rest.bytes()?, rest.bytes()?);
            match key {
                b"avro.schema" => schema = Some(value),
                b"avro.codec" => codec = value,
                _ => {}
            }
            Some(())
        })
        .ok_or_else(damaged)?;
        let blocks = rest.blocks().ok_or_else(damaged)?;
        let codec = Codec::named(codec)
            .ok_or_else(|| "its codec is none of null, deflate, snappy and zstandard".to_owned())?;
        let schema = schema.ok_or("it does not say its schema")?;
        Ok(Container { schema, codec, blocks })
    }

    /// How many records its blocks promise.
    pub(super) fn records(&self) -> usize {
        self.blocks.iter().map(|(records, _)| records).sum()
    }

    /// Gives every record to `take`, as the bytes that `layout` finds.
    pub(super) fn each(
        &self,
        layout: &Layout,
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut left = MOST_BYTES;
        for (number, (records, packed)) in self.blocks.iter().enumerate() {
            let at = |what: String| format!("{what}, in block {}", number + 1);
            let unpacked = self.codec.unpack(packed, left);
            let bytes = unpacked.ok_or_else(|| at("it is damaged or too large".to_owned()))?;
            left -= bytes.len();
            let mut rest = &bytes[..];
            for record in 0..*records {
                let length = layout.length(rest);
                let length =
                    length.ok_or_else(|| at(format!("record {} is damaged", record + 1)))?;
                let (first, behind) = rest.split_at(length);
                take(first).map_err(at)?;
                rest = behind;
            }
            if !rest.is_empty() {
                return Err(at(format!("{} bytes are behind the last record", rest.len())));
            }
        }
        Ok(())
    }
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

/// A container with one block of so many records, which stand one behind the other in `datums`.
pub(super) fn packed(
    schema: &str,
    marker: [u8; MARKER],
    count: usize,
    mut datums: Vec<u8>,
) -> Vec<u8> {
    let codec = apache_avro::Codec::Zstandard(apache_avro::ZstandardSettings::new(1));
    // What can't be compressed goes as it is.
    let codec = codec.compress(&mut datums).map_or("null", |()| "zstandard");
    let mut container = Vec::with_capacity(datums.len() + schema.len() + 128);
    container.extend_from_slice(MAGIC);
    put_number(&mut container, 2);
    for text in ["avro.codec", codec, "avro.schema", schema] {
        put_bytes(&mut container, text.as_bytes());
    }
    put_number(&mut container, 0);
    container.extend(marker);
    put_number(&mut container, count);
    put_bytes(&mut container, &datums);
    container.extend(marker);
    container
}

/// What is not read yet.
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// A zig-zag number of at most ten bytes.
    pub(super) fn number(&mut self) -> Option<i64> {
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

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// The entries of an array or a map, each read by `read`.
    pub(super) fn items(
        &mut self,
        mut read: impl FnMut(&mut Rest<'a>) -> Option<()>,
    ) -> Option<()> {
        loop {
            let count = self.number()?;
            if count == 0 {
                return Some(());
            }
            // A negative count is followed by the size of the entries.
            let size = if count < 0 { Some(usize::try_from(self.number()?).ok()?) } else { None };
            let before = self.0.len();
            for _ in 0..count.unsigned_abs() {
                read(self)?;
            }
            if size.is_some_and(|size| size != before - self.0.len()) {
                return None;
            }
        }
    }

    fn blocks(&mut self) -> Option<Vec<(usize, &'a [u8])>> {
        let marker = self.take(MARKER)?;
        let (mut blocks, mut all) = (Vec::new(), 0usize);
        while !self.0.is_empty() {
            let records = usize::try_from(self.number()?).ok()?;
            let bytes = self.bytes()?;
            if self.take(MARKER)? != marker {
                return None;
            }
            // Every record takes a byte at least.
            all = all.checked_add(records).filter(|all| *all <= MOST_BYTES)?;
            blocks.push((records, bytes));
        }
        Some(blocks)
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
    use apache_avro::{
        Codec, DeflateSettings, Reader, Schema, Writer, ZstandardSettings, to_avro_datum,
    };
    use proptest::prelude::*;

    use super::{Container, Layout, packed, single};

    fn container(blocks: &[usize], codec: Codec) -> Vec<u8> {
        let mut writer = Writer::with_codec(&Schema::Long, Vec::new(), codec);
        for records in blocks {
            (0..*records).for_each(|number| {
                writer.append(Value::Long(number as i64 * 1000)).unwrap();
            });
            writer.flush().unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn zstandard() -> Codec {
        Codec::Zstandard(ZstandardSettings::new(1))
    }

    /// How many records are found; none when it is damaged.
    fn records(bytes: &[u8]) -> Result<usize, String> {
        let container = Container::open(bytes)?;
        let mut found = 0;
        container.each(&*Layout::of(container.schema)?, |_| {
            found += 1;
            Ok(())
        })?;
        assert_eq!(found, container.records());
        Ok(found)
    }

    proptest! {
        #[test]
        fn a_container_that_is_cut_holds_nothing_or_less(
            blocks in prop::collection::vec(0usize..50, 0..4),
            codec in prop::sample::select(vec![
                Codec::Null, Codec::Deflate(DeflateSettings::default()), zstandard(),
            ]),
            cut in 1usize..400,
        ) {
            let whole = container(&blocks, codec);
            let all = blocks.iter().sum::<usize>();
            prop_assert_eq!(records(&whole), Ok(all));
            let part = &whole[..whole.len().saturating_sub(cut)];
            // What ends between two blocks is a container of fewer records, and all are there.
            if let Ok(found) = records(part) {
                prop_assert!(found < all);
                prop_assert_eq!(Reader::new(part).unwrap().count(), found);
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = records(&[b"Obj\x01", &bytes[..]].concat());
        }

        #[test]
        fn records_that_were_packed_are_read_back(numbers in prop::collection::vec(any::<i64>(), 0..99)) {
            let mut datums = vec![];
            for number in &numbers {
                datums.extend(to_avro_datum(&Schema::Long, Value::Long(*number)).unwrap());
            }
            let whole = packed("\"long\"", [7; 16], numbers.len(), datums);
            let read: Vec<Value> = Reader::new(&whole[..]).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(read, numbers.into_iter().map(Value::Long).collect::<Vec<_>>());
        }

        #[test]
        fn a_record_alone_is_read_back(text in ".{0,300}") {
            let schema = Schema::String;
            let record = to_avro_datum(&schema, Value::String(text.clone())).unwrap();
            let alone = single("\"string\"", &record);
            prop_assert_eq!(&alone, &single("\"string\"", &record));
            prop_assert_eq!(records(&alone), Ok(1));
            let read: Vec<Value> = Reader::new(&alone[..]).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(read, [Value::String(text)]);
        }
    }

    #[test]
    fn a_block_that_holds_more_or_less_than_it_says_is_refused() {
        let honest = container(&[3], Codec::Null);
        let at = honest.len() - super::MARKER - 7;
        // Two counts and the numbers 0, 1000, 2000: 3 records in 5 bytes.
        assert_eq!(honest[at..at + 2], [6, 10]);
        for (count, why) in [
            (0, "5 bytes are behind the last record, in block 1"),
            (4, "2 bytes are behind the last record, in block 1"),
            (8, "record 4 is damaged, in block 1"),
        ] {
            let mut lie = honest.clone();
            lie[at] = count;
            assert_eq!(records(&lie).unwrap_err(), why);
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_whole() {
        let nothing = vec![0; 1 << 20];
        let mut bomb = Writer::with_codec(&Schema::Bytes, Vec::new(), zstandard());
        for _ in 0..300 {
            bomb.append(Value::Bytes(nothing.clone())).unwrap();
        }
        let bomb = bomb.into_inner().unwrap();
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        let found = records(&bomb).unwrap_err();
        assert!(found.starts_with("it is damaged or too large, in block "), "{found}");
    }
}
