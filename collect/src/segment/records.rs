/// Records of one request, as bytes, one behind the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    pub(crate) datums: Vec<u8>,
    /// Where each ends.
    pub(crate) ends: Vec<usize>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Divides them into parts that each fit a message; one that is too large for any is alone.
    pub(crate) fn parts(&self, most: usize, bytes: usize) -> Parts<'_> {
        Parts { records: self, next: 0, most, bytes }
    }
}

/// Some of the records of a request that follow one another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'r> {
    pub(crate) datums: &'r [u8],
    ends: &'r [usize],
    start: usize,
}

impl Part<'_> {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How long each record is.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        let starts = std::iter::once(self.start).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| end - start)
    }
}

pub(crate) struct Parts<'r> {
    records: &'r Records,
    next: usize,
    most: usize,
    bytes: usize,
}

impl<'r> Iterator for Parts<'r> {
    type Item = Part<'r>;

    fn next(&mut self) -> Option<Part<'r>> {
        let Records { datums, ends } = self.records;
        let rest = ends.get(self.next..).filter(|rest| !rest.is_empty())?;
        let start = self.next.checked_sub(1).map_or(0, |before| ends[before]);
        let fitting = rest.iter().take(self.most).take_while(|end| **end - start <= self.bytes);
        let count = fitting.count().max(1);
        self.next += count;
        let end = ends[self.next - 1];
        Some(Part { datums: &datums[start..end], ends: &rest[..count], start })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_all_records_in_order_and_fit_if_they_can(
            lengths in prop::collection::vec(0usize..40, 0..50),
            most in 1usize..9,
            bytes in 1usize..60,
        ) {
            let mut records = Records::default();
            for (number, length) in lengths.iter().enumerate() {
                records.datums.extend(vec![number as u8; *length]);
                records.ends.push(records.datums.len());
            }
            let parts: Vec<_> = records.parts(most, bytes).collect();
            let found: Vec<usize> = parts.iter().flat_map(Part::lengths).collect();
            prop_assert_eq!(found, lengths);
            let joined: Vec<u8> = parts.iter().flat_map(|part| part.datums.to_vec()).collect();
            prop_assert_eq!(&joined, &records.datums);
            for part in parts {
                prop_assert!(part.len() == 1 || part.len() <= most && part.datums.len() <= bytes);
            }
        }
    }
}
