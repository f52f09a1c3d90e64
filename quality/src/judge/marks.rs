//! The masks of the rows of a chunk while its rules are judged.

use std::collections::HashMap;

use crate::Mask;

/// Each row has the number of a mask, and few masks are different: so a row costs four bytes,
/// however many rules there are. Rules are marked in the order of their bits.
pub(crate) struct Marks {
    of_rows: Vec<u32>,
    /// Mask → the mask that it came from, and the bit that was added. The first is empty.
    steps: Vec<(u32, usize)>,
    /// Mask and bit → the mask with that bit.
    next: HashMap<(u32, usize), u32>,
}

impl Marks {
    pub(crate) fn new(rows: usize) -> Marks {
        Marks { of_rows: vec![0; rows], steps: vec![(0, 0)], next: HashMap::new() }
    }

    /// Adds a bit to the mask of each of these rows.
    pub(crate) fn mark(&mut self, bit: usize, rows: impl Iterator<Item = usize>) {
        // Rows that break a rule have mostly broken the same ones before.
        let mut last = None;
        for row in rows {
            let from = self.of_rows[row];
            let to = match last {
                Some((known, to)) if known == from => to,
                _ => self.step(from, bit),
            };
            last = Some((from, to));
            self.of_rows[row] = to;
        }
    }

    fn step(&mut self, from: u32, bit: usize) -> u32 {
        let steps = &mut self.steps;
        *self.next.entry((from, bit)).or_insert_with(|| {
            steps.push((from, bit));
            u32::try_from(steps.len() - 1).expect("there are no more masks than rows and bits")
        })
    }

    /// Number of its mask for each row.
    pub(crate) fn of_rows(&self) -> &[u32] {
        &self.of_rows
    }

    /// The masks by their numbers, with the rows that have each.
    pub(crate) fn masks(&self) -> Vec<(Mask, u64)> {
        let mut counts = vec![0_u64; self.steps.len()];
        for mask in &self.of_rows {
            counts[*mask as usize] += 1;
        }
        counts.into_iter().enumerate().map(|(mask, rows)| (self.mask(mask), rows)).collect()
    }

    fn mask(&self, mut number: usize) -> Mask {
        let mut bits = Vec::new();
        while number > 0 {
            let (from, bit) = self.steps[number];
            bits.push(bit);
            number = from as usize;
        }
        Mask::of(bits)
    }
}
